"""The policy engine that services use: Rego in worker processes that can be killed.

Whatever goes wrong is a verdict that does not allow. See docs/adr/0017.
"""

from collections import OrderedDict
from typing import Any, Final, Self

from shared.clock import Clock
from shared.errors import TransientError
from shared.policy.pool import Pool
from shared.policy.port import Failure, Policy, Verdict
from shared.policy.quarantine import STRIKES, Quarantine
from shared.policy.queue import FairQueue, OverloadedError
from shared.policy.sandbox_input import BadInputError, encoded
from shared.policy.screening import LARGEST_MODULE, MOST_LIBRARIES
from shared.policy.worker_process import LostError, WorkerProcess

TIMEOUT_S: Final = 0.25
LOAD_TIMEOUT_S: Final = 1.0
"""For screening and compiling, which a worker does once for each policy it keeps."""
MOST_BYTES: Final = 200 * 1024 * 1024
WAIT_S: Final = 2.0
_SPARE: Final = 1
_LONGEST_QUEUE: Final = 256
_LONGEST_OF_ONE: Final = 64
_MOST_KNOWN: Final = 1024
_OUT_OF_BOUNDS: Final = {
    Failure.TIMEOUT: "took longer than it may",
    Failure.MEMORY: "took more memory than it may",
    Failure.CRASH: "ended the process that evaluated it",
}


class _NoAnswerError(Exception):
    """Why there is no verdict of the policy itself."""

    def __init__(self, failure: Failure, *reasons: str) -> None:
        super().__init__(failure)
        self.failure = failure
        self.reasons = reasons


class WorkerEngine:
    """Implements `PolicyEngine`. Use it as an async context manager."""

    def __init__(
        self,
        *,
        clock: Clock,
        workers: int = 2,
        timeout_s: float = TIMEOUT_S,
        load_timeout_s: float = LOAD_TIMEOUT_S,
        most_bytes: int = MOST_BYTES,
        wait_s: float = WAIT_S,
    ) -> None:
        """Take how many evaluate at a time, and the bounds of each evaluation."""
        self._clock = clock
        self._timeout_s = timeout_s
        self._load_timeout_s = load_timeout_s
        self._wait_s = wait_s
        self._pool = Pool(workers + _SPARE, most_bytes=most_bytes)
        self._queue = FairQueue(
            workers, longest=_LONGEST_QUEUE, longest_of_one=_LONGEST_OF_ONE, wait_s=wait_s
        )
        self._quarantine = Quarantine(clock)
        self._unusable: OrderedDict[str, _NoAnswerError] = OrderedDict()

    async def __aenter__(self) -> Self:
        """Start the workers."""
        self._pool.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End them."""
        await self._pool.close()

    @property
    def pids(self) -> list[int]:
        """Return the ids of the worker processes that live."""
        return self._pool.pids

    async def decide(self, policy: Policy, data: dict[str, Any], *, tenant: str) -> Verdict:
        """Return whether a policy allows an input; raises nothing but a cancellation."""
        began = self._clock.monotonic()
        try:
            text = encoded(data)
            digest = self._admitted(policy)
            async with self._queue.place(tenant):
                began = self._clock.monotonic()
                answer = await self._answered(policy, digest, text)
            verdict = _verdict(policy, answer)
        except BadInputError as error:
            verdict = _refusal(Failure.INPUT, str(error))
        except OverloadedError as error:
            verdict = _refusal(Failure.OVERLOADED, str(error))
        except _NoAnswerError as error:
            verdict = _refusal(error.failure, *error.reasons)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not allow
            verdict = _refusal(Failure.ERROR, f"the engine failed: {type(error).__name__}")
        return Verdict(
            allowed=verdict.allowed,
            reasons=verdict.reasons,
            notes=verdict.notes,
            failure=verdict.failure,
            seconds=self._clock.monotonic() - began,
        )

    async def defects(self, policy: Policy) -> tuple[str, ...]:
        """Return why a policy cannot be used, in words; empty when it can.

        One that runs out of bounds is tried again until it has to rest: a machine that has too
        much to do is no defect of a policy.

        Raises:
            TransientError: no worker became free in time, so nobody knows.
        """
        found = await self._defects(policy)
        for _ in range(STRIKES - 1):
            if found.failure not in _OUT_OF_BOUNDS:
                break
            found = await self._defects(policy)
        return found.reasons

    async def _defects(self, policy: Policy) -> Verdict:
        """Return whether a policy can be used. Raises TransientError."""
        try:
            digest = self._admitted(policy)
            async with self._queue.place(""):
                await self._answered(policy, digest, None)
        except OverloadedError as error:
            raise TransientError("PolicyOverloaded", str(error)) from None
        except _NoAnswerError as error:
            return _refusal(error.failure, *error.reasons)
        except Exception as error:  # noqa: BLE001 - whatever it is, the policy is not usable
            return _refusal(Failure.ERROR, f"the engine failed: {type(error).__name__}")
        return Verdict(allowed=True)

    def _admitted(self, policy: Policy) -> str:
        """Return the digest of a policy that may have a worker."""
        texts = (policy.module, *policy.libraries)
        if len(texts) > MOST_LIBRARIES + 1 or any(len(each) > LARGEST_MODULE for each in texts):
            raise _NoAnswerError(
                Failure.REFUSED,
                f"a module of more than {LARGEST_MODULE // 1024} KiB, "
                f"or more than {MOST_LIBRARIES} libraries",
            )
        try:
            digest = policy.digest
        except UnicodeEncodeError:
            raise _NoAnswerError(Failure.REFUSED, "the policy is not Unicode") from None
        if digest in self._unusable:
            raise self._unusable[digest]
        rests_s = self._quarantine.rests_s(digest)
        if rests_s:
            raise _NoAnswerError(
                Failure.QUARANTINED, f"ran out of bounds too often, rests for {rests_s:.0f} s"
            )
        return digest

    async def _answered(self, policy: Policy, digest: str, text: bytes | None) -> dict[str, Any]:
        try:
            worker = await self._pool.take(digest, within_s=self._wait_s)
        except TimeoutError:
            raise OverloadedError("no worker became free in time") from None
        try:
            answer = await self._asked(worker, policy, digest, text)
        except LostError as error:
            self._quarantine.strike(digest)
            raise _NoAnswerError(error.failure, _OUT_OF_BOUNDS[error.failure]) from None
        finally:
            self._pool.give(worker)
        self._quarantine.behaved(digest)
        return answer

    async def _asked(
        self, worker: WorkerProcess, policy: Policy, digest: str, text: bytes | None
    ) -> dict[str, Any]:
        if not worker.keeps(digest):
            wrong = await worker.load(policy, within_s=self._load_timeout_s)
            if wrong:
                raise self._remembered(digest, wrong)
        if text is None:
            return {}
        return await worker.run(digest, text, within_s=self._timeout_s)

    def _remembered(self, digest: str, wrong: dict[str, Any]) -> _NoAnswerError:
        """Return what is wrong with a policy's text, which will be wrong every time."""
        if "refused" in wrong:
            found = _NoAnswerError(Failure.REFUSED, *wrong["refused"])
        else:
            found = _NoAnswerError(Failure.ERROR, wrong["error"])
        self._unusable[digest] = found
        while len(self._unusable) > _MOST_KNOWN:
            self._unusable.popitem(last=False)
        return found


def _verdict(policy: Policy, answer: dict[str, Any]) -> Verdict:
    value, reasons = answer["value"], tuple(answer.get("reasons", ()))
    if value == "error" or (policy.is_deny and answer.get("failed")):
        return _refusal(Failure.ERROR, "failed while it ran, or conflicts with itself")
    if value == "other":
        return _refusal(Failure.NOT_BOOLEAN, f"{policy.rule} is neither true nor false")
    if value == "true" and not (policy.is_deny and reasons):
        return Verdict(allowed=True, notes=tuple(answer.get("notes", ())))
    return Verdict(allowed=False, reasons=reasons or (f"{policy.rule} is {value}",))


def _refusal(failure: Failure, *reasons: str) -> Verdict:
    return Verdict(allowed=False, reasons=reasons, failure=failure)
