"""Messages that nobody should send are kept for a person, and stop nothing."""

import json
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from shared.contracts import subjects
from shared.contracts.consumers import ALL, Consumer
from shared.contracts.subjects import Fact, Service
from shared.ids import StepName, Uid
from tests.support import stored
from tests.support.kubectl import Kubectl, eventually
from tests.support.raw_nats import VERSION, RawConnection, raw_connection
from tests.support.services import Services
from tests.support.stored import Stored
from tests.support.workflows import diamond, workflow

if TYPE_CHECKING:
    from shared.bus.embedded import EmbeddedServer

READERS: Final = [each for each in ALL if each.stream != "WFTMR"]
LARGEST: Final = 8192
"""What the server takes in one message."""


Body = Callable[[str], bytes]
"""Returns the body for the uid that it is sent under."""


@dataclass(frozen=True)
class Rubbish:
    """One message, and what its parked copies must say."""

    body: Body
    says: str
    headers: bytes = b""


def plain(body: bytes) -> Body:
    """Return a body that is always the same."""
    return lambda _: body


def bell(**changes: object) -> Body:
    """Return a body that would be fine if there were such a workflow."""
    names = {"namespace": "default", "workflow": "ghost"}
    return lambda uid: json.dumps(names | {"uid": uid} | changes).encode()


def typed(type_: str) -> bytes:
    """Return headers that name a type."""
    return VERSION + f"\r\nce-type: {type_}\r\n\r\n".encode()


DEEP: Final = b'{"x":' + b"[" * 4000 + b"]" * 4000 + b"}"
ANY: Final = {
    "no-json": Rubbish(plain(b"\xff\xfe rubbish"), "Undecodable: JSON is malformed"),
    "nothing": Rubbish(plain(b""), "Undecodable: Input data was truncated"),
    "a-list": Rubbish(plain(b"[]"), "Undecodable: Expected `object`, got `array`"),
    "no-number": Rubbish(bell(attempt=float("nan")), "Undecodable: JSON is malformed"),
    "largest": Rubbish(plain(b"x" * LARGEST), "Undecodable: JSON is malformed"),
    "wrong-type": Rubbish(bell(namespace=7), "Expected `str`, got `int` - at `$.namespace`"),
    "a-path": Rubbish(bell(workflow="../../pods/x"), "at `$.workflow`"),
    "deep": Rubbish(plain(DEEP), "Undecodable: maximum recursion depth exceeded"),
    "newer": Rubbish(bell(schema=99), "UnknownSchema: schema 99, this version reads 1"),
    "another": Rubbish(bell(uid="other"), "UidMismatch: body speaks of other"),
    "newer-type": Rubbish(bell(), "UnknownType: ", typed("mendflow.finished.v99")),
    "type-of-others": Rubbish(bell(), "'com.example.order'", typed("com.example.order")),
}
"""Rubbish on any subject."""
EVENTS: Final = ANY | {
    "unknown": Rubbish(bell(), "UnknownWorkflow: no workflow default/ghost with this uid"),
    "odd-headers": Rubbish(bell(), "UnknownWorkflow", VERSION + b"\r\nbroken\r\n: \xff\r\n\r\n"),
    "short-headers": Rubbish(bell(), "UnknownWorkflow", VERSION),
}
COMMANDS: Final = ANY | {
    "unknown": Rubbish(bell(execution="ghost-1"), "UnknownExecution: default/ghost-1"),
    "unnamed": Rubbish(bell(), "UnknownExecution: the order names none"),
    "short-headers": Rubbish(bell(execution="ghost-1"), "UnknownExecution", VERSION),
}


class Sent:
    """Everything that was published, by the uid it was published under."""

    def __init__(self, connection: RawConnection) -> None:
        self._connection = connection
        self.rubbish: dict[str, Rubbish] = {}
        self.readers: dict[str, set[str]] = {}

    def event(self, name: str, rubbish: Rubbish, service: Service, fact: Fact) -> None:
        """Publish as a service would tell a fact."""
        uid = f"rubbish-{service}-{name}"
        self._publish(uid, subjects.event(Uid(uid), service, fact), rubbish)
        stored_as = f"wf.p.*.{uid}.{service}.{fact}"
        self.readers[uid] = {_family(c) for c in ALL if _reads(c, stored_as)}

    def command(self, name: str, rubbish: Rubbish) -> None:
        """Publish as the orchestrator would order a step."""
        uid = f"rubbish-cmd-{name}"
        self._publish(uid, subjects.command(Uid(uid), StepName("a"), "f1"), rubbish)
        self.readers[uid] = {"exec"}

    def _publish(self, uid: str, subject: str, rubbish: Rubbish) -> None:
        self.rubbish[uid] = rubbish
        self._connection.publish(subject, rubbish.body(uid), headers=rubbish.headers)

    def expected(self) -> Counter[tuple[str, str]]:
        """Return each uid with each consumer that must have parked it, once."""
        return Counter((uid, name) for uid, names in self.readers.items() for name in names)


def test_rubbish_is_parked_once_per_consumer_and_stops_nothing(
    kubectl: Kubectl, services: Services, nats_server: "EmbeddedServer"
) -> None:
    services.wait_connected()
    with raw_connection(nats_server.url) as connection:
        sent = Sent(connection)
        for name, rubbish in EVENTS.items():
            sent.event(name, rubbish, Service.WATCHER, Fact.WFE_CHANGED)
        for name, rubbish in ANY.items():
            sent.event(name, rubbish, Service.EXECUTOR, Fact.FINISHED)
        for name, rubbish in COMMANDS.items():
            sent.command(name, rubbish)

    kubectl.apply(workflow("afterwards", diamond()))
    done = kubectl.wait_phase("afterwards", "Completed", "Failed")
    _wait_all_answered(nats_server)

    assert done["status"]["phase"] == "Completed"
    kept = stored.messages(nats_server.url, "WFDLQ")
    found = [each for each in kept if _uid_of(each) in sent.rubbish]
    copies = Counter((_uid_of(each), _family_of(each)) for each in found)
    assert copies == sent.expected()
    for each in found:
        rubbish = sent.rubbish[_uid_of(each)]
        assert rubbish.says in each.headers["dlq-error"], each.headers
        body = rubbish.body(_uid_of(each))
        cut = each.headers.get("dlq-truncated", str(len(each.data)))
        assert body.startswith(each.data)
        assert int(cut) == len(body)
    _assert_unharmed(services)


@pytest.mark.parametrize("size", [LARGEST + 1, 1_000_000])
def test_what_is_too_large_is_refused_at_the_door(
    kubectl: Kubectl, services: Services, nats_server: "EmbeddedServer", size: int
) -> None:
    services.wait_connected()
    uid = f"{kubectl.namespace}-large"
    orders = [
        subjects.event(Uid(uid), Service.EXECUTOR, Fact.FINISHED),
        subjects.command(Uid(uid), StepName("a"), "f1"),
    ]
    for subject in orders:
        with raw_connection(nats_server.url) as connection:
            assert connection.send(subject, b"x" * size) == b"-ERR 'Maximum Payload Violation'"

    for stream in ("WFEVT", "WFCMD"):
        held = stored.messages(nats_server.url, stream)
        assert [each for each in held if uid in each.subject] == []


def _assert_unharmed(services: Services) -> None:
    """Every service runs until it is told to stop, and none of its handlers crashed."""
    for name, process in services.processes.items():
        assert process.end(signal.SIGTERM) == 0, name
        said = process.log.read_text()
        assert "Traceback" not in said, name
        assert "handler crashed" not in said, name


def _wait_all_answered(nats_server: "EmbeddedServer") -> None:
    eventually(
        lambda: {"status": stored.unanswered(nats_server.url, READERS)},
        lambda found: not found["status"],
    )


def _uid_of(parked: Stored) -> str:
    return parked.subject.split(".")[-1]


def _family_of(parked: Stored) -> str:
    return parked.headers["dlq-consumer"].split("-")[0]


def _family(consumer: Consumer) -> str:
    """Return what the consumers of all partitions have in common."""
    return consumer.name.split("-")[0]


def _reads(consumer: Consumer, subject: str) -> bool:
    return any(_matches(each, subject) for each in consumer.filters)


def _matches(pattern: str, subject: str) -> bool:
    wanted, given = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        wanted, given = wanted[:-1], given[: len(wanted) - 1]
    pairs = zip(wanted, given, strict=False)
    return len(wanted) == len(given) and all(w == g or "*" in (w, g) for w, g in pairs)
