"""One workflow, all services, no servers: what the cores decide when writes come late or never.

Every actor reads a version, decides, and swaps its result in on that version only, as the
services do. It may read an old version, be refused, or die between its write and what follows.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Final

import msgspec

from services.executor.core import claims, results
from services.executor.core.changes import RefusedError
from services.monitor.core.assess import assess
from services.orchestrator.core import settle
from services.orchestrator.core.decide import decide
from services.rollback.core import trigger
from shared.api.enums import ErrorType, ExecutionKind, ExecutionPhase, Intent
from shared.api.execution import CapturedInverse, ExecutionStatus, KubernetesExecution
from shared.api.results import StepResult
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import WorkflowStatus
from shared.contracts.subjects import Service
from shared.ids import ExecutionName, Uid
from shared.workflow import slices
from shared.workflow.phases import critical_failure, derive
from tests.support.builders import NOW

ACTORS: Final = ("orchestrator", "executor", "monitor", "rollback")
_REMEMBERED: Final = 4


class World:
    """The truth about one workflow and its executions, and who may still act on the past."""

    def __init__(
        self, workflow: WorkflowExecution, *, limit: int, failing: Collection[str]
    ) -> None:
        """Begin with a planned workflow; the steps and undos in `failing` will fail."""
        self.versions = [workflow]
        self.limit = limit
        self._failing = failing
        self.executions: dict[ExecutionName, KubernetesExecution] = {}
        self.created: list[KubernetesExecution] = []
        """In the order of creation."""
        self.ended: list[str] = []
        """Steps whose forward execution completed, in that order."""
        self.started_too_late: list[str] = []
        """Steps whose execution was to run although a critical step had failed by then."""
        self._now = NOW

    @property
    def workflow(self) -> WorkflowExecution:
        """Return the workflow as it is."""
        return self.versions[-1]

    def move(self, actor: str, *, age: int = 0, dies: bool = False, choice: int = 0) -> None:
        """Let an actor act once, on a version `age` writes old, and perhaps die half way."""
        self._now += timedelta(seconds=1)
        seen = self.versions[-1 - min(age, len(self.versions) - 1, _REMEMBERED)]
        match actor:
            case "orchestrator":
                self._orchestrate(seen, dies=dies)
            case "monitor":
                after = assess(seen, dict(self.executions), now=self._now)
                self._swap(Service.MONITOR, seen, after)
            case "rollback":
                self._roll_back(seen, dies=dies)
            case _:
                self._execute(choice, dies=dies)

    def unfinished(self) -> list[KubernetesExecution]:
        """Return the executions that have not ended."""
        return [each for each in self.executions.values() if not each.is_terminal]

    def _swap(
        self, service: Service, seen: WorkflowExecution, after: WorkflowStatus | None
    ) -> WorkflowExecution | None:
        """Return the workflow after a compare-and-swap; None when somebody was faster."""
        if after is None:
            return seen
        slices.check(service, before=seen.status, after=after)
        if seen is not self.workflow:
            return None
        saved = msgspec.structs.replace(seen, status=derive(seen, after, now=self._now))
        self.versions.append(saved)
        return saved

    def _orchestrate(self, seen: WorkflowExecution, *, dies: bool) -> None:
        executions = dict(self.executions)
        after = decide(seen, executions, now=self._now, limit=self.limit)
        saved = self._swap(Service.ORCHESTRATOR, seen, after)
        if saved is None or dies:
            return
        for order in settle.orders(saved, executions):
            match order:
                case settle.Create(execution=wanted):
                    if wanted.spec.intent is Intent.RUN and critical_failure(saved):
                        self.started_too_late.append(wanted.spec.step_name)
                    self._create(wanted)
                    if wanted.spec.intent is Intent.VOID:
                        self._cancel(wanted)
                case settle.Revoke(execution=wanted):
                    self._cancel(wanted)
                case settle.Drive():
                    pass

    def _roll_back(self, seen: WorkflowExecution, *, dies: bool) -> None:
        if not trigger.may_move(seen):
            return
        executions = dict(self.executions)
        after = trigger.decide(seen, executions, now=self._now)
        saved = self._swap(Service.ROLLBACK, seen, after)
        if saved is None or dies:
            return
        wanted = trigger.wanted_execution(saved, executions)
        if wanted is not None:
            self._create(wanted)

    def _create(self, wanted: KubernetesExecution) -> None:
        name = ExecutionName(wanted.metadata.name)
        if name in self.executions:
            return
        meta = msgspec.structs.replace(wanted.metadata, uid=Uid(f"uid-of-{name}"))
        self.executions[name] = msgspec.structs.replace(wanted, metadata=meta)
        self.created.append(self.executions[name])

    def _cancel(self, wanted: KubernetesExecution) -> None:
        name = ExecutionName(wanted.metadata.name)
        live = self.executions[name]
        if not live.is_claimed and not live.is_terminal:
            status = msgspec.structs.replace(live.status, phase=ExecutionPhase.CANCELLED)
            self.executions[name] = msgspec.structs.replace(live, status=status)

    def _execute(self, choice: int, *, dies: bool) -> None:
        """Claim one execution, or end it when it is claimed; a dead holder is replaced."""
        unfinished = self.unfinished()
        if not unfinished:
            return
        execution = unfinished[choice % len(unfinished)]
        if not execution.is_claimed or dies:
            refusal = claims.refusal(execution, self.workflow, holder_is_gone=dies)
            status = execution.status if refusal else self._claim(execution)
        else:
            status = self._result(execution)
        name = ExecutionName(execution.metadata.name)
        self.executions[name] = msgspec.structs.replace(execution, status=status)

    def _claim(self, execution: KubernetesExecution) -> ExecutionStatus:
        inverse = CapturedInverse(
            available=True,
            rollback_action=execution.spec.action,
            rollback_parameters=execution.spec.parameters,
        )
        return claims.claimed(execution, holder="executor-0", now=self._now, inverse=inverse)

    def _result(self, execution: KubernetesExecution) -> ExecutionStatus:
        undo = execution.spec.kind is ExecutionKind.ROLLBACK
        step = execution.spec.step_name
        if (f"undo {step}" if undo else step) in self._failing:
            error = RefusedError(ErrorType.TIMEOUT, "it did not settle")
            return results.failed(execution, error, now=self._now)
        if not undo:
            self.ended.append(step)
        return results.completed(execution, StepResult(success=True), now=self._now)
