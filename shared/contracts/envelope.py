"""The headers of every message, in CloudEvents binary form.

The source is the CloudEvents NATS protocol binding 1.0: attributes become `ce-` headers,
the body stays as it is. Trace and correlation travel beside them.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from shared.contracts.subjects import Fact
from shared.errors import ContractError

SPEC_VERSION: Final = "1.0"
RUN_STEP: Final = "mendflow.run-step.v1"
"""The type of an order to run a step."""
POLICIES_ASKED: Final = "mendflow.policies-asked.v1"
"""The type of a look that was recorded; no service reads it."""
_TYPE: Final = "ce-type"
_CORRELATION: Final = "wf-correlation"


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What a reader may want to know without opening the body."""

    id: str
    source: str
    """`<cluster>/<service>/<pod>`."""
    type: str
    """Such as `mendflow.step-granted.v1`."""
    subject: str
    """`<namespace>/<name>` of the workflow."""
    time: datetime
    uid: str
    generation: int = 0
    resource_version: str = ""
    step: str = ""
    attempt: int = 0
    fence: int = 0
    correlation: str = ""
    causation: str = ""
    traceparent: str = ""


def type_of(fact: Fact) -> str:
    """Return the type of the message that tells a fact."""
    return f"mendflow.{fact}.v1"


TYPES: Final = frozenset({RUN_STEP, *map(type_of, Fact)})


def check_type(headers: Mapping[str, str]) -> None:
    """Refuse a message of a type that this version does not read; none at all will do.

    Raises:
        ContractError: when it names another type, or a newer version of one.
    """
    found = headers.get(_TYPE)
    if found is not None and found not in TYPES:
        raise ContractError("UnknownType", f"this version does not read {found!r}")


def to_headers(envelope: Envelope) -> dict[str, str]:
    """Return the headers, leaving out what is empty."""
    headers = {
        "ce-specversion": SPEC_VERSION,
        "ce-id": envelope.id,
        "ce-source": envelope.source,
        _TYPE: envelope.type,
        "ce-subject": envelope.subject,
        "ce-time": envelope.time.isoformat().replace("+00:00", "Z"),
        "ce-datacontenttype": "application/json",
        "wf-uid": envelope.uid,
        "wf-gen": str(envelope.generation or ""),
        "wf-rv": envelope.resource_version,
        "wf-step": envelope.step,
        "wf-attempt": str(envelope.attempt or ""),
        "wf-fence": str(envelope.fence or ""),
        _CORRELATION: envelope.correlation,
        "wf-causation": envelope.causation,
        "traceparent": envelope.traceparent,
    }
    return {name: value for name, value in headers.items() if value}


def correlation_in(headers: Mapping[str, str]) -> str:
    """Return the correlation id that a message carries; empty when it carries none."""
    return headers.get(_CORRELATION, "")
