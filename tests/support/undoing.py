"""Workflows that were stopped, and the way back of them moved on by hand."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec

from services.orchestrator.core import control
from services.rollback.core import trigger
from services.rollback.core.bounds import Bounds
from shared.api.enums import (
    Control,
    ErrorType,
    ExecutionKind,
    ExecutionPhase,
    RollbackType,
    StepPhase,
)
from shared.api.execution import CapturedInverse, KubernetesExecution, TargetRef
from shared.api.parameters import Parameters, ScaleDeployment
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Step
from shared.api.workflow_status import Rollback, RollbackStep, WorkflowStatus
from shared.ids import Uid
from shared.workflow.phases import derive
from shared.workflow.undone import DRIFTED
from tests.support.builders import (
    NOW,
    by_name,
    diamond,
    execution_of,
    make_workflow,
    planned,
    scale_step,
    with_steps,
)

Outcome = Callable[[str, int], ErrorType | None]
"""How the undo of a step ends at its n-th try: an error, or None when it goes well."""

Drifts = Callable[[KubernetesExecution], bool]
"""Whether an undo finds a target that somebody else changed, and leaves it as it is."""


def inverse(before: int, after: int, *, uid: str = "u1") -> CapturedInverse:
    """Return what was captured before a Deployment x was scaled."""
    return CapturedInverse(
        available=before != after,
        rollback_action="scale_deployment",
        rollback_parameters=Parameters(
            scale_deployment=ScaleDeployment(deployment="x", replicas=before)
        ),
        target=TargetRef(kind="Deployment", name="x", namespace="default", uid=Uid(uid)),
        before={"spec.replicas": str(before)},
        after={"spec.replicas": str(after)},
    )


INVERSE = inverse(2, 3)


def at(
    workflow: WorkflowExecution, status: WorkflowStatus, *, now: datetime = NOW
) -> WorkflowExecution:
    """Return the workflow with a status as it would be stored."""
    return msgspec.structs.replace(workflow, status=derive(workflow, status, now=now))


def failed_diamond(strategy: RollbackType = RollbackType.AUTOMATIC) -> WorkflowExecution:
    """Return a diamond whose last step failed; c ended after b."""
    return _stopped(diamond(), done="abc", failed="d", strategy=strategy)


def failed_after(
    *steps: Step, strategy: RollbackType = RollbackType.AUTOMATIC
) -> WorkflowExecution:
    """Return a workflow whose steps completed, but for a last one, `last`, that failed."""
    names = [step.name for step in steps]
    last = scale_step("last", needs=names)
    return _stopped([*steps, last], done=names, failed="last", strategy=strategy)


def running(
    workflow: WorkflowExecution, executions: Sequence[KubernetesExecution]
) -> WorkflowExecution:
    """Return the workflow with its way back begun and the first undo granted."""
    for _ in range(2):
        status = trigger.decide(workflow, by_name(*executions), now=NOW)
        assert status is not None
        workflow = at(workflow, status)
    return workflow


def asked(
    workflow: WorkflowExecution, verb: Control | None, to: str | None = None
) -> WorkflowExecution:
    """Return the workflow after a person wrote a verb, and the orchestrator answered it."""
    spec = msgspec.structs.replace(workflow.spec, control=verb, rollback_to=to)
    wanted = msgspec.structs.replace(workflow, spec=spec)
    answer = control.take_up(wanted, now=NOW) or workflow.status.control
    return at(wanted, msgspec.structs.replace(workflow.status, control=answer))


def rollback_of(workflow: WorkflowExecution) -> Rollback:
    """Return the way back, which there must be."""
    assert workflow.status.rollback is not None
    return workflow.status.rollback


def undo_step(workflow: WorkflowExecution, name: str) -> RollbackStep:
    """Return one step of the way back."""
    return next(step for step in rollback_of(workflow).steps if step.name == name)


def forward(
    workflow: WorkflowExecution, captured: CapturedInverse | None = INVERSE
) -> list[KubernetesExecution]:
    """Return the execution of each completed step."""
    return [
        execution_of(workflow, step.name, phase=ExecutionPhase.COMPLETED, captured=captured)
        for step in workflow.status.steps
        if step.phase is StepPhase.COMPLETED
    ]


def undo(
    workflow: WorkflowExecution,
    step: str,
    error: ErrorType | None = None,
    *,
    attempt: int = 1,
    now: datetime = NOW,
    reason: str = "",
) -> KubernetesExecution:
    """Return the ended execution of one try of an undo."""
    ended = execution_of(
        workflow,
        step,
        phase=ExecutionPhase.FAILED if error else ExecutionPhase.COMPLETED,
        kind=ExecutionKind.ROLLBACK,
        error=error,
        attempt=attempt,
    )
    assert ended.status.execution_results is not None
    results = msgspec.structs.replace(ended.status.execution_results, reason=reason)
    status = msgspec.structs.replace(
        ended.status,
        completion_time=now,
        message=f"try {attempt} went wrong" if error else "",
        execution_results=results,
    )
    return msgspec.structs.replace(ended, status=status)


class Way:
    """The way back of one workflow, whose undos end as a test says."""

    def __init__(
        self,
        workflow: WorkflowExecution,
        *,
        executions: Sequence[KubernetesExecution] | None = None,
        outcome: Outcome = lambda _step, _attempt: None,
        bounds: Bounds = trigger.DEFAULTS,
        drifts: Drifts = lambda _undo: False,
    ) -> None:
        """Begin where the workflow is; by default each completed step captured the same."""
        self.workflow = workflow
        self.executions = list(forward(workflow) if executions is None else executions)
        self.created: list[KubernetesExecution] = []
        self.now = NOW
        self._outcome = outcome
        self._bounds = bounds
        self._drifts = drifts

    @property
    def undone(self) -> list[str]:
        """Return the steps whose undo was tried, in order, once for each try."""
        return [each.spec.step_name for each in self.created]

    def go(self) -> "Way":
        """Move on until the way back rests or waits."""
        while self.move():
            pass
        return self

    def finish(self) -> "Way":
        """Move on to the end, over all waits."""
        while True:
            self.go()
            due = trigger.next_look(self.workflow, by_name(*self.executions), bounds=self._bounds)
            if due is None:
                return self
            self.now = max(due, self.now + timedelta(milliseconds=1))

    def move(self) -> bool:
        """Make one write and carry out what it grants; return whether there was one."""
        known = by_name(*self.executions)
        status = trigger.decide(self.workflow, known, now=self.now, bounds=self._bounds)
        if status is None:
            return False
        self.workflow = at(self.workflow, status, now=self.now)
        wanted = trigger.wanted_execution(self.workflow, known, bounds=self._bounds)
        if wanted is not None and wanted.metadata.name not in known:
            self.created.append(wanted)
            spec = wanted.spec
            error, reason = self._outcome(spec.step_name, spec.attempt), ""
            if self._drifts(wanted):
                error, reason = ErrorType.RESOURCE_CONFLICT, DRIFTED
            ended = undo(
                self.workflow,
                spec.step_name,
                error,
                attempt=spec.attempt,
                now=self.now,
                reason=reason,
            )
            self.executions.append(msgspec.structs.replace(ended, spec=spec))
        return True


def _stopped(
    steps: Sequence[Step], *, done: Sequence[str], failed: str, strategy: RollbackType
) -> WorkflowExecution:
    workflow = planned(make_workflow(steps, rollback=strategy))
    phases = dict.fromkeys(done, StepPhase.COMPLETED) | {failed: StepPhase.FAILED}
    workflow = with_steps(workflow, phases)
    ended = [
        msgspec.structs.replace(step, completion_time=NOW + timedelta(seconds=place))
        for place, step in enumerate(workflow.status.steps)
    ]
    status = msgspec.structs.replace(
        workflow.status,
        steps=ended,
        execution_start_time=NOW,
        execution_complete_time=NOW + timedelta(seconds=len(ended)),
    )
    return at(workflow, status)
