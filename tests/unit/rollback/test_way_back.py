"""Whether to go back, in which order, and what each undo is."""

from datetime import timedelta

import msgspec
import pytest

from services.rollback.core import trigger
from shared.api.enums import (
    ErrorType,
    ExecutionKind,
    ExecutionPhase,
    Phase,
    RollbackPhase,
    RollbackStepPhase,
    RollbackType,
    StepPhase,
)
from shared.api.execution import CapturedInverse, KubernetesExecution, TargetRef
from shared.api.parameters import Parameters, ScaleDeployment
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import WorkflowStatus
from shared.ids import Uid
from shared.workflow.phases import derive
from tests.support.builders import (
    NOW,
    by_name,
    diamond,
    execution_of,
    make_workflow,
    notify_step,
    planned,
    scale_step,
    with_steps,
)

DONE, FAILED, SKIPPED = StepPhase.COMPLETED, StepPhase.FAILED, StepPhase.SKIPPED
INVERSE = CapturedInverse(
    available=True,
    rollback_action="scale_deployment",
    rollback_parameters=Parameters(scale_deployment=ScaleDeployment(deployment="x", replicas=2)),
    target=TargetRef(kind="Deployment", name="x", namespace="default", uid=Uid("u1")),
    before={"spec.replicas": "2"},
    after={"spec.replicas": "3"},
)


def _failed(strategy: RollbackType = RollbackType.AUTOMATIC) -> WorkflowExecution:
    """Return a diamond whose last step failed; c ended after b."""
    workflow = planned(make_workflow(diamond(), rollback=strategy))
    workflow = with_steps(workflow, {"a": DONE, "b": DONE, "c": DONE, "d": FAILED})
    steps = [
        msgspec.structs.replace(
            step, completion_time=NOW + timedelta(seconds="abc".find(step.name))
        )
        for step in workflow.status.steps
    ]
    ended = msgspec.structs.replace(workflow.status, steps=steps, execution_complete_time=NOW)
    return _at(workflow, ended)


def _at(workflow: WorkflowExecution, status: WorkflowStatus) -> WorkflowExecution:
    return msgspec.structs.replace(workflow, status=derive(workflow, status, now=NOW))


def _forward(workflow: WorkflowExecution) -> list[KubernetesExecution]:
    return [
        execution_of(workflow, name, phase=ExecutionPhase.COMPLETED, captured=INVERSE)
        for name in "abc"
    ]


def _undo(
    workflow: WorkflowExecution, step: str, error: ErrorType | None = None
) -> KubernetesExecution:
    phase = ExecutionPhase.FAILED if error else ExecutionPhase.COMPLETED
    return execution_of(workflow, step, phase=phase, kind=ExecutionKind.ROLLBACK, error=error)


def _run(
    workflow: WorkflowExecution, failing: frozenset[str] = frozenset()
) -> tuple[WorkflowExecution, list[str]]:
    """Move the way back on until it rests; return the workflow and what was created, in order."""
    executions = _forward(workflow)
    created: list[str] = []
    while True:
        status = trigger.decide(workflow, by_name(*executions), now=NOW)
        if status is None:
            return workflow, created
        workflow = _at(workflow, status)
        wanted = trigger.wanted_execution(workflow, by_name(*executions))
        if wanted is not None and wanted.metadata.name not in by_name(*executions):
            step = wanted.spec.step_name
            created.append(step)
            error = ErrorType.TIMEOUT if step in failing else None
            executions.append(_undo(workflow, step, error))


def test_completed_steps_are_undone_newest_first() -> None:
    workflow, created = _run(_failed())

    assert created == ["c", "b", "a"]
    assert workflow.status.phase is Phase.ROLLED_BACK
    assert workflow.status.rollback is not None
    assert workflow.status.rollback.failures == 0


def test_a_failed_undo_does_not_stop_the_others() -> None:
    workflow, created = _run(_failed(), failing=frozenset({"b"}))

    assert created == ["c", "b", "a"]
    assert workflow.status.phase is Phase.ROLLBACK_FAILED
    assert workflow.status.rollback is not None
    assert workflow.status.rollback.failures == 1
    assert "undo failed: b" in workflow.status.message


@pytest.mark.parametrize(
    ("strategy", "phase", "rollback"),
    [
        (RollbackType.NONE, Phase.FAILED, RollbackPhase.NOT_REQUESTED),
        (RollbackType.MANUAL, Phase.DEGRADED, RollbackPhase.AWAITING_TRIGGER),
    ],
)
def test_other_strategies_undo_nothing(
    strategy: RollbackType, phase: Phase, rollback: RollbackPhase
) -> None:
    workflow, created = _run(_failed(strategy))

    assert created == []
    assert workflow.status.phase is phase
    assert workflow.status.rollback is not None
    assert workflow.status.rollback.phase is rollback


def test_a_person_starts_a_manual_rollback_and_only_from_degraded() -> None:
    degraded, _ = _run(_failed(RollbackType.MANUAL))
    failed, _ = _run(_failed(RollbackType.NONE))

    def asked(workflow: WorkflowExecution) -> WorkflowExecution:
        spec = msgspec.structs.replace(workflow.spec, control="rollback")
        return msgspec.structs.replace(workflow, spec=spec)

    back, created = _run(asked(degraded))
    assert (back.status.phase, created) == (Phase.ROLLED_BACK, ["c", "b", "a"])
    assert not trigger.may_move(asked(failed))
    assert not trigger.may_move(asked(back))


def test_the_way_back_waits_until_nothing_runs_forward() -> None:
    workflow = with_steps(_failed(), {"c": StepPhase.RUNNING})

    assert not trigger.may_move(workflow)
    assert trigger.decide(workflow, {}, now=NOW) is None


def test_the_token_of_an_undo_is_saved_before_its_execution_is_wanted() -> None:
    workflow = _failed()
    executions = by_name(*_forward(workflow))
    begun = trigger.decide(workflow, executions, now=NOW)
    assert begun is not None
    assert trigger.wanted_execution(_at(workflow, begun), executions) is None

    granted = trigger.decide(_at(workflow, begun), executions, now=NOW)

    assert granted is not None
    assert granted.rollback is not None
    (running,) = [s for s in granted.rollback.steps if s.phase is RollbackStepPhase.RUNNING]
    wanted = trigger.wanted_execution(_at(_at(workflow, begun), granted), executions)
    assert wanted is not None
    assert (wanted.spec.step_name, wanted.spec.fence) == (running.name, running.fence)
    assert wanted.metadata.name.endswith("-rb")
    assert wanted.metadata.labels["rollback"] == "true"
    assert wanted.spec.parameters == INVERSE.rollback_parameters
    assert wanted.spec.rollback_of is not None
    assert wanted.spec.rollback_of.before == INVERSE.before


def test_asking_again_while_an_undo_runs_changes_nothing() -> None:
    workflow = _failed()
    executions = by_name(*_forward(workflow))
    for _ in range(2):
        status = trigger.decide(workflow, executions, now=NOW)
        assert status is not None
        workflow = _at(workflow, status)

    assert trigger.decide(workflow, executions, now=NOW + timedelta(minutes=1)) is None


def test_fences_of_undos_are_above_all_earlier_ones() -> None:
    workflow = _failed()
    workflow = msgspec.structs.replace(
        workflow, status=msgspec.structs.replace(workflow.status, last_fence=7)
    )

    back, _ = _run(workflow)

    assert back.status.rollback is not None
    fences = [step.fence for step in back.status.rollback.steps]
    assert fences == [8, 9, 10]


def test_what_changed_nothing_needs_no_undo() -> None:
    steps = [notify_step("a"), scale_step("b", needs=["a"])]
    workflow = planned(make_workflow(steps, rollback=RollbackType.AUTOMATIC))
    workflow = with_steps(workflow, {"a": DONE, "b": FAILED})

    back, created = _run_without_captures(workflow)

    assert created == 0
    assert back.status.phase is Phase.ROLLED_BACK
    assert back.status.rollback is not None
    (step,) = back.status.rollback.steps
    assert (step.phase, step.reason) == (RollbackStepPhase.SKIPPED, "NothingToUndo")


def test_an_undo_without_its_captured_state_fails_and_says_so() -> None:
    workflow = planned(
        make_workflow(
            [scale_step("a"), scale_step("b", needs=["a"])], rollback=RollbackType.AUTOMATIC
        )
    )
    workflow = with_steps(workflow, {"a": DONE, "b": FAILED})

    back, _ = _run_without_captures(workflow)

    assert back.status.phase is Phase.ROLLBACK_FAILED
    assert back.status.rollback is not None
    assert back.status.rollback.steps[0].reason == "UndoDataMissing"


def _run_without_captures(workflow: WorkflowExecution) -> tuple[WorkflowExecution, int]:
    created = 0
    while (status := trigger.decide(workflow, {}, now=NOW)) is not None:
        workflow = _at(workflow, status)
        created += trigger.wanted_execution(workflow, {}) is not None
    return workflow, created
