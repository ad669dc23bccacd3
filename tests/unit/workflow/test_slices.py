"""One writer per field: a write outside the slice stops before it is sent."""

import msgspec
import pytest

from shared.api.enums import StepPhase
from shared.api.workflow_status import ValidationResults
from shared.contracts.subjects import Service
from shared.workflow.slices import SliceViolationError, check
from tests.support.builders import diamond, make_workflow, planned, with_steps


@pytest.mark.parametrize(
    ("service", "change"),
    [
        (Service.MONITOR, {"active_steps": 3}),
        (Service.ORCHESTRATOR, {"progress": 50}),
        (Service.ROLLBACK, {"last_fence": 9}),
        (Service.PLANNER, {"progress": 1}),
    ],
)
def test_a_foreign_field_is_named(service: Service, change: dict[str, int]) -> None:
    before = planned(make_workflow(diamond())).status
    after = msgspec.structs.replace(before, **change)

    with pytest.raises(SliceViolationError, match=next(iter(change))):
        check(service, before=before, after=after)


@pytest.mark.parametrize(
    ("service", "change"),
    [
        (Service.MONITOR, {"approval_received": True}),
        (Service.PLANNER, {"dry_run_performed": True}),
        (Service.ORCHESTRATOR, {"dry_run_results": "passed"}),
    ],
)
def test_what_was_checked_first_is_shared_field_by_field(
    service: Service, change: dict[str, object]
) -> None:
    before = planned(make_workflow(diamond())).status
    results = msgspec.structs.replace(ValidationResults(), **change)
    after = msgspec.structs.replace(before, validation_results=results)

    with pytest.raises(SliceViolationError, match=rf"validation_results\.{next(iter(change))}"):
        check(service, before=before, after=after)


def test_what_dry_runs_came_to_is_for_the_monitor_to_say() -> None:
    before = planned(make_workflow(diamond())).status
    results = ValidationResults(dry_run_performed=True, dry_run_results="1 of 1 changes passed")
    after = msgspec.structs.replace(before, validation_results=results)

    check(Service.MONITOR, before=before, after=after)


def test_a_service_may_write_its_own_slice() -> None:
    before = planned(make_workflow(diamond())).status
    after = msgspec.structs.replace(before, progress=50, completed_steps=2)

    check(Service.MONITOR, before=before, after=after)


def test_rollback_may_not_touch_steps() -> None:
    workflow = planned(make_workflow(diamond()))
    after = with_steps(workflow, {"a": StepPhase.FAILED}).status

    with pytest.raises(SliceViolationError, match=r"steps\[a\]"):
        check(Service.ROLLBACK, before=workflow.status, after=after)
