"""What the dry runs of the steps come to on the workflow."""

from collections.abc import Mapping

import msgspec

from services.monitor.core.assess import assess
from shared.api.enums import ErrorType, ExecutionPhase, StepPhase
from shared.api.execution import ExecutionValidation, KubernetesExecution
from shared.api.results import DryRunResults
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import ValidationResults, WorkflowStatus
from tests.support.builders import (
    NOW,
    by_name,
    execution_of,
    make_workflow,
    planned,
    scale_step,
    with_steps,
)

PASSED = DryRunResults(performed=True, success=True)
NEEDLESS = DryRunResults(performed=False, success=True)


def _refused(why: str) -> DryRunResults:
    return DryRunResults(performed=True, success=False, errors=[why])


def _running(*names: str) -> WorkflowExecution:
    workflow = planned(make_workflow([scale_step(name) for name in names]))
    return with_steps(workflow, dict.fromkeys(names, StepPhase.RUNNING))


def _ended(
    workflow: WorkflowExecution, step: str, found: DryRunResults | None
) -> KubernetesExecution:
    failed = found is not None and not found.success
    execution = execution_of(
        workflow,
        step,
        phase=ExecutionPhase.FAILED if failed else ExecutionPhase.COMPLETED,
        error=ErrorType.PERMISSION_DENIED if failed else None,
    )
    checked = ExecutionValidation(dry_run_results=found)
    status = msgspec.structs.replace(execution.status, validation_results=checked)
    return msgspec.structs.replace(execution, status=status)


def _after(
    workflow: WorkflowExecution, found: Mapping[str, DryRunResults | None]
) -> WorkflowStatus:
    executions = [_ended(workflow, step, each) for step, each in found.items()]
    after = assess(workflow, by_name(*executions), now=NOW)
    assert after is not None
    return after


def test_row_75_each_step_holds_what_was_found_of_its_change() -> None:
    workflow = _running("a", "b")

    after = _after(workflow, {"a": PASSED, "b": _refused("not more than two")})

    assert [step.dry_run_results for step in after.steps] == [
        PASSED,
        _refused("not more than two"),
    ]


def test_row_75_the_workflow_says_in_brief_which_changes_passed() -> None:
    workflow = _running("a", "b", "c", "d")

    after = _after(
        workflow, {"a": PASSED, "b": _refused("no"), "c": NEEDLESS, "d": _refused("never")}
    )

    results = after.validation_results
    assert results is not None
    assert results.dry_run_performed is True
    assert results.dry_run_results == "1 of 3 changes passed; step b: no; step d: never"


def test_what_others_found_before_is_kept() -> None:
    workflow = _running("a")
    approved = ValidationResults(approval_received=True, approval_timestamp=NOW)
    status = msgspec.structs.replace(workflow.status, validation_results=approved)

    after = _after(msgspec.structs.replace(workflow, status=status), {"a": PASSED})

    assert after.validation_results == msgspec.structs.replace(
        approved, dry_run_performed=True, dry_run_results="1 of 1 changes passed"
    )


def test_steps_that_change_nothing_are_no_dry_run() -> None:
    results = _after(_running("a", "b"), {"a": NEEDLESS, "b": None}).validation_results

    assert results == ValidationResults(
        dry_run_performed=False, dry_run_results="there was nothing to try"
    )


def test_nothing_is_said_where_no_step_was_to_be_tried() -> None:
    assert _after(_running("a"), {"a": None}).validation_results is None


def test_many_long_refusals_are_cut_to_what_the_status_holds() -> None:
    workflow = _running("a", "b")

    after = _after(workflow, dict.fromkeys("ab", _refused("x" * 200)))

    assert after.validation_results is not None
    assert len(after.validation_results.dry_run_results) == 256
