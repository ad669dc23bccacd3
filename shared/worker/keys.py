"""What a message or a resync points at, and how to read it from a delivery."""

from typing import Final

import msgspec

from shared.bus.port import Delivery
from shared.contracts import bell, subjects
from shared.contracts.bell import Bell
from shared.contracts.envelope import check_type
from shared.errors import ContractError
from shared.ids import Uid

RESYNC: Final = "resync"


class WorkflowKey(msgspec.Struct, frozen=True, kw_only=True):
    """One workflow, by place and identity."""

    namespace: str
    name: str
    uid: Uid
    correlation: str = ""
    """Follows the workflow through logs and messages; empty when the caller does not know it."""

    def __str__(self) -> str:
        """Return it as people write it."""
        return f"{self.namespace}/{self.name}"


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    """Why to look: what a message said, never to be believed."""

    fact: str
    execution: str = ""


def read_bell(delivery: Delivery) -> Bell:
    """Return the bell of a delivery.

    Raises:
        ContractError: when it is of an unknown type, cannot be decoded, or speaks of another
            workflow than its subject.
    """
    check_type(delivery.headers)
    rung = bell.decode(delivery.data)
    if rung.uid != subjects.uid_of(delivery.subject):
        raise ContractError("UidMismatch", f"body speaks of {rung.uid}")
    return rung


def hint_of(delivery: Delivery) -> Hint:
    """Return why a delivery asks to look."""
    event = subjects.parse_event(delivery.subject)
    return Hint(fact=event.fact if event else "", execution=read_bell(delivery).execution)
