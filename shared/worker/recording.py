"""Keeps what policies were asked and what they said, to be asked again. See docs/adr/0018.

Nobody waits for it and nothing depends on it: what cannot be kept at once, or does not fit, is
left out and counted.
"""

import asyncio
import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from shared.api.workflow import WorkflowExecution
from shared.bus.port import Bus
from shared.bus.sizing import wire_size
from shared.clock import Clock
from shared.contracts import recorded, subjects
from shared.contracts.envelope import POLICIES_ASKED, Envelope, to_headers
from shared.contracts.recorded import RecordedLook, RecordedVerdict
from shared.contracts.subjects import Service
from shared.ids import StepName
from shared.policy.port import Verdict
from shared.telemetry.masking import masked
from shared.telemetry.policies import PolicyMetrics, Recorded
from shared.workflow.executions import correlation_of

MOST_WAITING: Final = 256
MOST_BYTES: Final = 8 * 1024 * 1024
"""Of all inputs that wait."""
LARGEST_TRIED: Final = 128 * 1024
"""Bytes of an input; a larger one never fits."""
_MESSAGE: Final = 8192
"""Bytes that the server takes."""
_MOST_REMEMBERED: Final = 4096
_MOST_REASONS: Final = 2
_LONGEST_REASON: Final = 160
_REFERENCE: Final = re.compile(r"[\w.-]{1,128}\.rego|[\w-]{1,64}(?::[\w.-]{1,128}){1,2}")
"""How a condition names a policy; anything else holds one, or means to."""
_CHANGES_ALWAYS: Final = "now"
"""A key of the input that says when it was made; alone, it makes no look another one."""


class _Waiting(NamedTuple):
    look: RecordedLook
    data: bytes
    key: str
    correlation: str


class LookRecorder:
    """Records the looks of one service."""

    def __init__(
        self, bus: Bus, *, clock: Clock, service: Service, identity: str, metrics: PolicyMetrics
    ) -> None:
        """Build it; `run` keeps what `note` is given."""
        self._bus = bus
        self._clock = clock
        self._source = f"mendflow/{service}/{identity}"
        self._metrics = metrics
        self._waiting: asyncio.Queue[_Waiting] = asyncio.Queue(MOST_WAITING)
        self._bytes = 0
        self._last: OrderedDict[str, str] = OrderedDict()
        self._log = structlog.get_logger(service=str(service))

    def note(
        self,
        workflow: WorkflowExecution,
        step: str,
        *,
        action: str,
        stage: str,
        revision: str,
        data: dict[str, Any],
        verdicts: Sequence[RecordedVerdict],
    ) -> None:
        """Have a look recorded soon, unless it repeats the last one; never waits, never raises.

        Args:
            workflow: on whose behalf.
            step: at which step.
            action: what it does.
            stage: `precondition`, `postcondition` or `safety`.
            revision: of the policies that were asked.
            data: the input of all of them.
            verdicts: what they said.
        """
        try:
            meta = workflow.metadata
            look = RecordedLook(
                namespace=meta.namespace,
                workflow=meta.name,
                uid=meta.uid,
                step=step,
                action=action,
                stage=stage,
                revision=revision,
                time=self._clock.now(),
                verdicts=tuple(verdicts),
            )
            result = self._offered(look, data, correlation_of(workflow))
        except Exception as error:  # noqa: BLE001 - no decision may depend on its record
            self._log.debug("look not recorded", error=repr(error))
            result = Recorded.FAILED
        if result is not None:
            self._metrics.look_recorded(result)

    async def run(self) -> None:
        """Keep one look after the other until cancelled."""
        while True:
            each = await self._waiting.get()
            self._bytes -= len(each.data)
            try:
                result = await self._kept(each)
            except Exception as error:  # noqa: BLE001 - the next one may be kept again
                self._log.debug("look not recorded", error=repr(error))
                self._last.pop(each.key, None)
                result = Recorded.FAILED
            self._metrics.look_recorded(result)

    def _offered(
        self, look: RecordedLook, data: dict[str, Any], correlation: str
    ) -> Recorded | None:
        """Put a look in line; return what became of it instead, if anything."""
        if not self._bus.connected:
            return Recorded.AWAY
        encoded = msgspec.json.encode(data)
        key, print_ = f"{look.uid}/{look.step}/{look.stage}", _fingerprint(look, data)
        if self._last.get(key) == print_:
            return Recorded.REPEATED
        if self._waiting.full() or self._bytes + len(encoded) > MOST_BYTES:
            return Recorded.DROPPED
        self._waiting.put_nowait(_Waiting(look, encoded, key, correlation))
        self._bytes += len(encoded)
        self._remember(key, print_)
        return None

    def _remember(self, key: str, print_: str) -> None:
        self._last[key] = print_
        self._last.move_to_end(key)
        while len(self._last) > _MOST_REMEMBERED:
            self._last.popitem(last=False)

    async def _kept(self, each: _Waiting) -> Recorded:
        look = each.look
        headers = to_headers(
            Envelope(
                id=f"{look.uid}:{look.step}:{look.stage}:{look.time.isoformat()}",
                source=self._source,
                type=POLICIES_ASKED,
                subject=f"{look.namespace}/{look.workflow}",
                time=look.time,
                uid=look.uid,
                step=look.step,
                correlation=each.correlation,
            )
        )
        room = _MESSAGE - wire_size(b"", headers)
        # Masking and packing take milliseconds, for which no other work has to wait.
        fitting = await asyncio.to_thread(_fit, look, each.data, room)
        subject = subjects.looked(look.uid, StepName(look.step), look.stage)
        await self._bus.publish(subject, recorded.encode(fitting), headers=headers)
        return Recorded.KEPT if fitting.has_input else Recorded.WITHOUT_INPUT


def verdict_on(policy: str, verdict: Verdict, *, rego: str | None = None) -> RecordedVerdict:
    """Return what to record of one verdict, without the text of any policy."""
    text = (rego or "").strip()
    is_reference = _REFERENCE.fullmatch(text) is not None
    return RecordedVerdict(
        policy=policy,
        reference=text if is_reference else "",
        is_inline=bool(text) and not is_reference,
        allowed=verdict.allowed,
        failure=str(verdict.failure or ""),
        reasons=verdict.reasons[:_MOST_REASONS],
    )


def _fit(look: RecordedLook, data: bytes, room: int) -> RecordedLook:
    """Return what may leave of a look, and fits."""
    if len(data) > LARGEST_TRIED:
        return _told(look, lambda _: "")
    found = masked(msgspec.json.decode(data))
    told = _told(look, found.without_them)
    whole = msgspec.structs.replace(told, input=found.data, masked=found.replaced)
    return recorded.fitted(whole, room=room)


def _told(look: RecordedLook, shown: Callable[[str], str]) -> RecordedLook:
    verdicts = [
        msgspec.structs.replace(
            verdict,
            reasons=tuple(
                told[:_LONGEST_REASON] for each in verdict.reasons if (told := shown(each))
            ),
        )
        for verdict in look.verdicts
    ]
    return msgspec.structs.replace(look, verdicts=tuple(verdicts))


def _fingerprint(look: RecordedLook, data: dict[str, Any]) -> str:
    """Return what changes with the policies, the input or a verdict, and not with time alone."""
    seen = {key: value for key, value in data.items() if key != _CHANGES_ALWAYS}
    said = [(each.policy, each.allowed, each.failure) for each in look.verdicts]
    text = msgspec.json.encode((look.revision, look.action, seen, said))
    return hashlib.blake2b(text, digest_size=16).hexdigest()
