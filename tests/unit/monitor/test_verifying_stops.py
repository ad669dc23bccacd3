"""What becomes of steps that are verified when their workflow is to end."""

from datetime import timedelta

import msgspec
import pytest

from services.monitor.core.assess import Timeouts, assess
from shared.api.enums import Control, ErrorType, OnInFlight, StepPhase
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import ExecutionStrategy
from shared.api.workflow_status import ControlStatus
from tests.support.builders import NOW
from tests.support.verifying import (
    Truth,
    condition,
    done,
    one_round,
    started,
    step_of,
    verified_step,
)

COMPLETED, FAILED, VERIFYING = StepPhase.COMPLETED, StepPhase.FAILED, StepPhase.VERIFYING
NEVER: Truth = lambda _name, _seconds: False  # noqa: E731 - a value among others
ALWAYS: Truth = lambda _name, _seconds: True  # noqa: E731


def with_status(workflow: WorkflowExecution, **fields: object) -> WorkflowExecution:
    status = msgspec.structs.replace(workflow.status, **fields)
    return msgspec.structs.replace(workflow, status=status)


@pytest.mark.parametrize("stop", [Control.CANCEL, Control.ROLLBACK])
def test_a_workflow_that_ends_waits_for_what_is_verified(stop: Control) -> None:
    workflow = done(started(verified_step("a", condition("ready"))), "a")
    workflow = one_round(workflow, NEVER, at=NOW)
    ending = with_status(workflow, control=ControlStatus(stop=stop))

    ending = one_round(ending, NEVER, at=NOW + timedelta(seconds=1))

    assert step_of(ending, "a").phase is VERIFYING
    assert step_of(one_round(ending, ALWAYS, at=NOW + timedelta(seconds=5)), "a").phase is COMPLETED


def test_a_workflow_that_ends_what_is_in_flight_does_not() -> None:
    strategy = ExecutionStrategy(on_in_flight=OnInFlight.CANCEL)
    steps = [
        verified_step("a", condition("ready")),
        verified_step("b", condition("ready"), condition("hint", required=False)),
        verified_step("c", condition("hint", required=False)),
        verified_step("d", condition("ready")),
    ]
    workflow = done(started(*steps, strategy=strategy), "a", "b", "c", "d")
    workflow = one_round(workflow, NEVER, at=NOW)
    only_b = [
        msgspec.structs.replace(
            s,
            post_condition_results=[
                msgspec.structs.replace(r, passed=r.required) for r in s.post_condition_results
            ],
        )
        if s.name == "b"
        else s
        for s in workflow.status.steps
    ]
    ending = with_status(workflow, steps=only_b, control=ControlStatus(stop=Control.CANCEL))

    ended = one_round(ending, ALWAYS, at=NOW + timedelta(milliseconds=1))

    phases = {step.name: (step.phase, step.error_type) for step in ended.status.steps}
    assert phases == {
        "a": (FAILED, ErrorType.CANCELLED),
        "b": (COMPLETED, None),
        "c": (COMPLETED, None),
        "d": (FAILED, ErrorType.CANCELLED),
    }
    message = step_of(ended, "a").message
    assert message == ("postcondition ready not verified, the workflow was ended; the change stays")


def test_a_workflow_whose_time_is_up_says_at_which_step_it_was() -> None:
    workflow = done(started(verified_step("a", condition("ready", timeout="15m"))), "a")
    limit = timedelta(minutes=10)
    timeouts = Timeouts(small=limit, medium=limit, large=limit)

    status = assess(workflow, {}, now=NOW + limit, timeouts=timeouts, rounds={})

    assert status is not None
    assert (status.failed_step, status.error_type) == ("a", ErrorType.TIMEOUT)
    assert status.steps[0].phase is VERIFYING
    assert status.execution_complete_time is None
