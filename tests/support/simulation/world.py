"""One workflow, all services, no servers: what comes of the cores whoever stops where.

Each actor is one try of one replica: it reads, decides and writes as its service does, and
may be held up or killed between any two of these. Every write is a compare-and-swap.
"""

from collections.abc import Callable, Collection, Generator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from services.executor.core import claims, results
from services.executor.core.changes import RefusedError
from services.monitor.core.assess import Timeouts, assess
from services.orchestrator.core import settle
from services.orchestrator.core.decide import decide
from services.orchestrator.core.ledger import effective_limit
from services.rollback.core import trigger
from shared.api.enums import (
    ErrorType,
    ExecutionKind,
    ExecutionPhase,
    Intent,
)
from shared.api.execution import CapturedInverse, ExecutionStatus, KubernetesExecution
from shared.api.results import StepResult
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import WorkflowSpec
from shared.api.workflow_status import Approval, WorkflowStatus
from shared.contracts.subjects import Service
from shared.ids import ExecutionName, Uid
from shared.workflow import slices
from shared.workflow.phases import derive
from tests.support.builders import NOW
from tests.support.simulation import violations
from tests.support.simulation.approvals import answered, reopened
from tests.support.simulation.happenings import (
    Answer,
    Ask,
    Delete,
    Event,
    Limit,
    Move,
    Parallelism,
    Pass,
    Reopen,
    Resume,
)
from tests.support.verifying import rounds_due

if TYPE_CHECKING:
    from services.monitor.core.verifying import Rounds

_WRITES: Final = 5

Actor = Generator[None, None, None]
Executions = dict[ExecutionName, KubernetesExecution]

TIMEOUTS: Final = Timeouts(
    small=timedelta(minutes=10), medium=timedelta(minutes=20), large=timedelta(minutes=45)
)


class World:
    """The truth about one workflow and its executions, and who may still act on the past."""

    def __init__(
        self,
        workflow: WorkflowExecution,
        *,
        limit: int,
        failing: Collection[str],
        flaky: Mapping[str, int] | None = None,
    ) -> None:
        """Begin with a planned workflow.

        The steps, undos and verifications in `failing` will fail, and for good; those in
        `flaky` time out in so many of their first attempts.
        """
        self.versions = [workflow]
        self.limit = limit
        self.limits = [effective_limit(workflow, limit)]
        """What was in force when each version was written."""
        self._failing = failing
        self._flaky = flaky or {}
        self.executions: Executions = {}
        self.created: list[KubernetesExecution] = []
        """In the order of creation."""
        self.deleted: set[str] = set()
        """Steps that lost an execution to a person."""
        self.recreated: set[str] = set()
        """Steps whose lost execution somebody created again, who had not heard of it."""
        self.done: list[str] = []
        """Effects in their order: a step, or the undo of one."""
        self._done_by: dict[str, int] = {}
        """The attempt that each effect is of."""
        self.wrong: list[str] = []
        """What must never happen."""
        self._heard: set[ExecutionName] = set()
        self._settled: set[tuple[str, int]] = set()
        self._held_up: list[Actor] = []
        self._now = NOW

    @property
    def workflow(self) -> WorkflowExecution:
        """Return the workflow as it is."""
        return self.versions[-1]

    def make(self, move: Event) -> None:
        """Let one thing happen."""
        match move:
            case Move(actor=actor, stops=stops, choice=choice):
                self._run(self._started(actor, choice), stops)
            case Resume(whom=whom, stops=stops, dies=dies):
                if self._held_up:
                    actor_ = self._held_up.pop(whom % len(self._held_up))
                    if not dies:
                        self._run(actor_, stops)
            case Delete(choice=choice, heard=heard):
                self._delete(choice, heard=heard)
            case Ask() | Answer() | Reopen() | Limit() | Parallelism() | Pass():
                self._by_people(move)

    def _by_people(self, move: Ask | Answer | Reopen | Limit | Parallelism | Pass) -> None:
        match move:
            case Reopen():
                self._write(reopened(self.workflow))
            case Ask(verb=verb, to=to):
                spec = msgspec.structs.replace(self.workflow.spec, control=verb, rollback_to=to)
                if spec != self.workflow.spec:
                    self._edit(spec)
            case Parallelism(steps=steps):
                self._spread(steps)
            case Answer(choice=choice, approves=approves):
                self._write(answered(self.workflow.status, choice, approves=approves))
            case Limit(limit=limit):
                self.limit = limit
            case Pass(seconds=seconds):
                self._now += timedelta(seconds=seconds)

    def unfinished(self) -> list[KubernetesExecution]:
        """Return the executions that have not ended."""
        return [each for each in self.executions.values() if not each.is_terminal]

    def _run(self, actor: Actor, stops: int) -> None:
        for _ in range(stops):
            try:
                next(actor)
            except StopIteration:
                return
        self._held_up.append(actor)

    def _started(self, actor: str, choice: int) -> Actor:
        match actor:
            case "orchestrator":
                return self._orchestrate()
            case "monitor":
                return self._monitor()
            case "rollback":
                return self._roll_back()
            case _:
                return self._execute(choice)

    def _tick(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now

    def _update(
        self,
        service: Service,
        seen: WorkflowExecution,
        decided: Callable[[WorkflowExecution], WorkflowStatus | None],
    ) -> Generator[None, None, WorkflowExecution | None]:
        """Swap in a decision, made again on what is there when somebody was faster."""
        for _ in range(_WRITES):
            after = decided(seen)
            if after is None:
                return seen
            slices.check(service, before=seen.status, after=after)
            status = derive(seen, after, now=self._tick())
            if status == seen.status:
                return seen
            if seen is self.workflow:
                self._append(_next_version(seen, status))
                return self.workflow
            yield
            seen = self.workflow
        return None

    def _append(self, workflow: WorkflowExecution) -> None:
        self.versions.append(workflow)
        self.limits.append(effective_limit(workflow, self.limit))

    def _spread(self, steps: int | None) -> None:
        spec = self.workflow.spec
        strategy = msgspec.structs.replace(spec.execution_strategy, max_parallel_steps=steps)
        if strategy != spec.execution_strategy:
            self._edit(msgspec.structs.replace(spec, execution_strategy=strategy))

    def _edit(self, spec: WorkflowSpec) -> None:
        seen = _next_version(self.workflow, self.workflow.status)
        meta = msgspec.structs.replace(seen.metadata, generation=seen.metadata.generation + 1)
        self._append(msgspec.structs.replace(seen, metadata=meta, spec=spec))

    def _write(self, approval: Approval | None) -> None:
        if approval is None:
            return
        seen = self.workflow
        after = msgspec.structs.replace(seen.status, approval=approval)
        self._append(_next_version(seen, derive(seen, after, now=self._tick())))

    def _orchestrate(self) -> Actor:
        seen = self.workflow
        yield
        executions = dict(self.executions)
        deleted, self._heard = frozenset(self._heard), set()
        yield

        def decided(workflow: WorkflowExecution) -> WorkflowStatus | None:
            return decide(
                workflow,
                executions,
                now=self._tick(),
                limit=self.limit,
                deleted=deleted,
                read_after=seen.metadata.resource_version,
            )

        saved = yield from self._update(Service.ORCHESTRATOR, seen, decided)
        if saved is None:
            return
        for order in settle.orders(saved, executions):
            yield
            yield from self._obey(saved, order)

    def _obey(self, workflow: WorkflowExecution, order: settle.Order) -> Actor:
        match order:
            case settle.Create(execution=wanted):
                self.wrong += violations.of_start(workflow, wanted)
                self.wrong += violations.of_attempt(
                    wanted, self.executions.values(), self.versions, ordered_by=workflow
                )
                created = self._create(wanted)
                if created is not None and wanted.spec.intent is Intent.VOID:
                    yield
                    self._cancel(created)
            case settle.Revoke(execution=unwanted):
                self._cancel(unwanted)
            case settle.Drive(execution=driven):
                if not driven.is_claimed:
                    self.wrong += violations.of_start(workflow, driven)

    def _monitor(self) -> Actor:
        seen = self.workflow
        yield
        executions = dict(self.executions)
        yield
        rounds: Rounds = {}

        def decided(workflow: WorkflowExecution) -> WorkflowStatus | None:
            return assess(workflow, executions, now=self._now, timeouts=TIMEOUTS, rounds=rounds)

        saved = yield from self._update(Service.MONITOR, seen, decided)
        rounds = rounds_due(saved, at=self._now, vain=self._failing) if saved else {}
        if saved is not None and rounds:
            yield
            yield from self._update(Service.MONITOR, saved, decided)

    def _roll_back(self) -> Actor:
        seen = self.workflow
        if not trigger.may_move(seen):
            return
        yield
        executions = dict(self.executions)
        yield
        saved = yield from self._update(
            Service.ROLLBACK,
            seen,
            lambda workflow: trigger.decide(workflow, executions, now=self._now),
        )
        wanted = trigger.wanted_execution(saved, executions) if saved else None
        if wanted is not None:
            yield
            self._create(wanted)

    def _execute(self, choice: int) -> Actor:
        """Carry out one execution; whoever holds it may be thought dead at any time (R2 to R5)."""
        unfinished = self.unfinished()
        if not unfinished:
            return
        found = unfinished[choice % len(unfinished)]
        yield
        workflow = self.workflow
        if claims.refusal(found, workflow, holder_is_gone=found.is_claimed):
            return
        yield
        claim = self._swap(found, self._claimed(found))
        if claim is None:
            return
        self.wrong += violations.of_claim(claim, self.workflow.status)
        yield
        name = ExecutionName(claim.metadata.name)
        if not claims.holds(self.executions.get(name), claim) or self._is_fenced_off(claim):
            return
        settling = claim.spec.kind is ExecutionKind.SETTLE
        status = self._settled_by(claim) if settling else self._acted(claim)
        yield
        live = self.executions.get(name)
        if live is not None and claims.holds(live, claim):
            self._swap(live, status)

    def _claimed(self, execution: KubernetesExecution) -> ExecutionStatus:
        inverse = CapturedInverse(
            available=True,
            rollback_action=execution.spec.action,
            rollback_parameters=execution.spec.parameters,
        )
        return claims.claimed(execution, holder="executor-0", now=self._tick(), inverse=inverse)

    def _is_fenced_off(self, claim: KubernetesExecution) -> bool:
        """Tell whether a settling execution marked the target before this one's change."""
        forward = claim.spec.kind is ExecutionKind.FORWARD
        return forward and (claim.spec.step_name, claim.spec.attempt) in self._settled

    def _settled_by(self, claim: KubernetesExecution) -> ExecutionStatus:
        """Mark the target, and return whether the change was there."""
        step, now = claim.spec.step_name, self._tick()
        self._settled.add((step, claim.spec.attempt))
        if step in self.done:
            return results.completed(claim, StepResult(success=True), now=now)
        lost = RefusedError(ErrorType.UNKNOWN_ERROR, "the change is not on the target")
        return results.failed(claim, lost, now=now)

    def _acted(self, claim: KubernetesExecution) -> ExecutionStatus:
        """Change the target, and return what is to be recorded."""
        step, now = claim.spec.step_name, self._tick()
        effect = f"undo {step}" if claim.spec.kind is ExecutionKind.ROLLBACK else step
        self.wrong += violations.of_effect(effect, claim, self.workflow.status)
        if claim.spec.attempt <= self._flaky.get(effect, 0):
            late = RefusedError(ErrorType.TIMEOUT, "it did not settle")
            return results.failed(claim, late, now=now)
        if effect in self._failing:
            error = RefusedError(ErrorType.PERMISSION_DENIED, "it may not")
            return results.failed(claim, error, now=now)
        if self._done_by.setdefault(effect, claim.spec.attempt) != claim.spec.attempt:
            self.wrong.append(f"{effect} once more by another attempt")
        if effect not in self.done:
            self.done.append(effect)
        return results.completed(claim, StepResult(success=True), now=now)

    def _create(self, wanted: KubernetesExecution) -> KubernetesExecution | None:
        """Return the execution that was created; None when there is one already."""
        name = ExecutionName(wanted.metadata.name)
        if name in self.executions:
            return None
        self.wrong += violations.of_creation(
            wanted, self.executions.values(), phase=self.workflow.status.phase, deleted=self.deleted
        )
        if any(each.metadata.name == name for each in self.created):
            self.recreated.add(wanted.spec.step_name)
        meta = msgspec.structs.replace(wanted.metadata, uid=Uid(f"uid-{len(self.created)}"))
        self.executions[name] = msgspec.structs.replace(wanted, metadata=meta)
        self.created.append(self.executions[name])
        return self.executions[name]

    def _cancel(self, seen: KubernetesExecution) -> None:
        status = msgspec.structs.replace(seen.status, phase=ExecutionPhase.CANCELLED)
        self._swap(seen, status)

    def _swap(
        self, seen: KubernetesExecution, status: ExecutionStatus
    ) -> KubernetesExecution | None:
        """Return the execution after a compare-and-swap; None when somebody was faster."""
        name = ExecutionName(seen.metadata.name)
        if self.executions.get(name) is not seen:
            return None
        self.wrong += violations.of_write(seen, status)
        self.executions[name] = msgspec.structs.replace(seen, status=status)
        return self.executions[name]

    def _delete(self, choice: int, *, heard: bool) -> None:
        with_result = {ExecutionPhase.COMPLETED, ExecutionPhase.FAILED}
        found = [each for each in self.executions.values() if each.status.phase not in with_result]
        if not found:
            return
        unlucky = found[choice % len(found)]
        name = ExecutionName(unlucky.metadata.name)
        del self.executions[name]
        self.deleted.add(unlucky.spec.step_name)
        if heard:
            self._heard.add(name)


def _next_version(seen: WorkflowExecution, status: WorkflowStatus) -> WorkflowExecution:
    version = str(int(seen.metadata.resource_version) + 1)
    meta = msgspec.structs.replace(seen.metadata, resource_version=version)
    return msgspec.structs.replace(seen, metadata=meta, status=status)
