"""A workflow whose time is up starts nothing more, and is taken back if that was asked for."""

from tests.support.kubectl import Kubectl, Object, eventually
from tests.support.services import Services
from tests.support.workflows import notify, scale, wait_available, workflow


def _with_deadline(name: str, deadline: str, *, rollback: str) -> Object:
    """Return a workflow that changes web, then waits longer than its deadline allows."""
    steps = [
        scale("grow", "web", 4),
        wait_available("wait", "absent", "grow") | {"timeout": "16s"},
        notify("after", "wait"),
    ]
    body = workflow(name, steps, rollback=rollback)
    body["spec"]["deadline"] = deadline
    return body


def test_row_57_a_deadline_ends_a_workflow_and_leaves_time_for_the_way_back(
    kubectl: Kubectl, services: Services
) -> None:
    services.wait_connected()
    kubectl.apply(_with_deadline("late", "14s", rollback="Automatic"))

    done = kubectl.wait_phase("late", "RolledBack", "RollbackFailed", "Failed", "Completed")

    status = done["status"]
    steps = {step["name"]: step for step in status["steps"]}
    conditions = {each["type"]: each for each in status["conditions"]}
    assert (status["phase"], status["reason"]) == ("RolledBack", "TimedOut")
    assert conditions["TimedOut"]["status"] == "True"
    assert (status["failedStep"], status["errorType"]) == ("wait", "timeout")
    assert status["executionSnapshot"]["completedSteps"] == ["grow"]
    assert (steps["after"]["phase"], steps["after"]["reason"]) == ("Skipped", "TimedOut")
    assert status["health"] == "unhealthy"
    assert status["timedOutAt"] < steps["wait"]["completionTime"]
    assert kubectl.get("deployment", "web")["spec"]["replicas"] == 2
    eventually(
        lambda: {"items": kubectl.items("events")},
        lambda found: any(e["reason"] == "WorkflowTimedOut" for e in found["items"]),
    )


def test_what_was_undone_is_counted_in_the_result(kubectl: Kubectl, services: Services) -> None:
    services.wait_connected()
    kubectl.apply(_with_deadline("counted", "14s", rollback="Automatic"))
    kubectl.wait_phase("counted", "RolledBack")

    done = eventually(
        lambda: kubectl.get("wfe", "counted"),
        lambda wfe: wfe["status"]["executionMetrics"].get("rollbacksPerformed") == 1,
    )

    assert done["status"]["phase"] == "RolledBack"
    assert done["status"]["workflowResult"]["outcome"] == "failed"
