"""The policy engine that services use: Rego in worker processes that can be killed.

Whatever goes wrong is a verdict that does not allow. See docs/adr/0017.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, Final, NamedTuple, Self

from shared.clock import Clock
from shared.errors import TransientError
from shared.policy.lanes import Lane
from shared.policy.pool import Pool
from shared.policy.port import Failure, Policy, Verdict
from shared.policy.quarantine import STRIKES, Quarantine
from shared.policy.queue import OverloadedError
from shared.policy.sandbox_input import BadInputError, encoded
from shared.policy.screening import LARGEST_MODULE, MOST_LIBRARIES
from shared.policy.worker_process import Answer, LostError, WorkerProcess

TIMEOUT_S: Final = 0.25
LOAD_TIMEOUT_S: Final = 1.0
"""For screening and compiling, which a worker does once for each policy it keeps."""
MOST_BYTES: Final = 200 * 1024 * 1024
WAIT_S: Final = 5.0
_TRIAL_NICENESS: Final = 5
_APART_NICENESS: Final = 10
_APART_PAUSE_S: Final = 0.25
_STRIKES_OF_TENANTS: Final = 10
_MOST_KNOWN: Final = 1024
_MOST_PROVEN: Final = 4096
_NOBODY: Final = ""
"""The tenant of what is only looked at."""
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


class _Asked(NamedTuple):
    """What is evaluated, its name among all, and on whose behalf."""

    policy: Policy
    digest: str
    tenant: str


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
        self._usual = Lane(Pool(workers, most_bytes=most_bytes), wait_s=wait_s)
        self._trial = Lane(Pool(1, most_bytes=most_bytes, niceness=_TRIAL_NICENESS), wait_s=wait_s)
        self._apart = Lane(
            Pool(1, most_bytes=most_bytes, niceness=_APART_NICENESS, pause_s=_APART_PAUSE_S),
            wait_s=wait_s,
        )
        self._policies = Quarantine(clock)
        self._tenants = Quarantine(clock, strikes=_STRIKES_OF_TENANTS)
        self._proven: OrderedDict[str, None] = OrderedDict()
        self._unusable: OrderedDict[str, _NoAnswerError] = OrderedDict()

    async def __aenter__(self) -> Self:
        """Start the workers; that of those who did harm is started when there is one."""
        self._usual.open()
        self._trial.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End them."""
        for lane in (self._usual, self._trial, self._apart):
            await lane.close()

    @property
    def pids(self) -> list[int]:
        """Return the ids of the worker processes that live."""
        return sorted((*self._usual.pids, *self._trial.pids, *self._apart.pids))

    async def decide(self, policy: Policy, data: dict[str, Any], *, tenant: str) -> Verdict:
        """Return whether a policy allows an input; raises nothing but a cancellation."""
        began = self._clock.monotonic()
        try:
            asked = self._admitted(policy, tenant)
            async with self._lane(asked) as worker:
                began = self._clock.monotonic()
                text = encoded(data)
                with self._counted(asked):
                    await self._load(worker, asked)
                    answer = await worker.run(
                        asked.digest, text, tenant=tenant, within_s=self._timeout_s
                    )
            self._prove(asked.digest)
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
            asked = self._admitted(policy, _NOBODY)
            async with self._lane(asked) as worker:
                with self._counted(asked):
                    await self._load(worker, asked)
        except OverloadedError as error:
            raise TransientError("PolicyOverloaded", str(error)) from None
        except _NoAnswerError as error:
            return _refusal(error.failure, *error.reasons)
        except Exception as error:  # noqa: BLE001 - whatever it is, the policy is not usable
            return _refusal(Failure.ERROR, f"the engine failed: {type(error).__name__}")
        return Verdict(allowed=True)

    def _admitted(self, policy: Policy, tenant: str) -> _Asked:
        """Return a policy that may have a worker, with its digest."""
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
        _check_rest("the policy", self._policies.rests_s(digest))
        _check_rest("every policy of this workflow", self._tenants.rests_s(tenant))
        return _Asked(policy, digest, tenant)

    def _lane(self, asked: _Asked) -> AbstractAsyncContextManager[WorkerProcess]:
        """Return where a policy gets its worker: with those that are known, or not yet, or apart.

        Whatever a policy does for the first time, it does not do it to those that are known.
        """
        _, digest, tenant = asked
        if self._policies.is_suspect(digest) or self._tenants.is_suspect(tenant):
            self._apart.open()
            return self._apart.worker(tenant, digest)
        is_known = asked.policy.is_shared or digest in self._proven
        lane = self._usual if is_known else self._trial
        return lane.worker(tenant, digest)

    @contextmanager
    def _counted(self, asked: _Asked) -> Iterator[None]:
        """Remember whether a policy keeps within its bounds."""
        try:
            yield
        except LostError as error:
            if error.is_starved:
                raise _NoAnswerError(error.failure, "the machine was too busy to finish") from None
            self._strike(asked)
            raise _NoAnswerError(error.failure, _OUT_OF_BOUNDS[error.failure]) from None
        self._policies.behaved(asked.digest)
        self._tenants.behaved(asked.tenant)

    async def _load(self, worker: WorkerProcess, asked: _Asked) -> None:
        if worker.keeps(asked.digest):
            return
        loaded = await worker.load(
            asked.policy, asked.digest, tenant=asked.tenant, within_s=self._load_timeout_s
        )
        if loaded.refused or loaded.error:
            raise self._remembered(asked.digest, loaded)

    def _strike(self, asked: _Asked) -> None:
        self._proven.pop(asked.digest, None)
        self._policies.strike(asked.digest)
        if asked.tenant != _NOBODY:
            self._tenants.strike(asked.tenant)

    def _prove(self, digest: str) -> None:
        self._proven[digest] = None
        self._proven.move_to_end(digest)
        while len(self._proven) > _MOST_PROVEN:
            self._proven.popitem(last=False)

    def _remembered(self, digest: str, wrong: Answer) -> _NoAnswerError:
        """Return what is wrong with a policy's text, which will be wrong every time."""
        if wrong.refused:
            found = _NoAnswerError(Failure.REFUSED, *wrong.refused)
        else:
            found = _NoAnswerError(Failure.ERROR, wrong.error)
        self._unusable[digest] = found
        while len(self._unusable) > _MOST_KNOWN:
            self._unusable.popitem(last=False)
        return found


def _check_rest(what: str, rests_s: float) -> None:
    if rests_s:
        why = f"{what} ran out of bounds too often, and rests for {rests_s:.0f} s"
        raise _NoAnswerError(Failure.QUARANTINED, why)


def _verdict(policy: Policy, answer: Answer) -> Verdict:
    if answer.value == "error" or (policy.is_deny and answer.failed):
        why = answer.why or "failed while it ran, or conflicts with itself"
        return _refusal(Failure.ERROR, why)
    if answer.value == "other":
        return _refusal(Failure.NOT_BOOLEAN, f"{policy.rule} is neither true nor false")
    if answer.value == "true" and not (policy.is_deny and answer.reasons):
        return Verdict(allowed=True, notes=answer.notes)
    return Verdict(allowed=False, reasons=answer.reasons or (f"{policy.rule} is {answer.value}",))


def _refusal(failure: Failure, *reasons: str) -> Verdict:
    return Verdict(allowed=False, reasons=reasons, failure=failure)
