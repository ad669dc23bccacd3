"""What is written down while steps end: progress and times; and what follows a failure."""

from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.audit import AuditTrail
from tests.support.control import (
    claimed,
    executions,
    in_phase,
    release,
    step_names,
    steps_of,
    throughout,
)
from tests.support.kubectl import Kubectl, Object
from tests.support.namespaces import fresh_namespace
from tests.support.services import Services
from tests.support.workflows import (
    deployment,
    diamond,
    image,
    notify,
    scale,
    wait_available,
    workflow,
)

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

SEEN_WITHIN_S: Final = 5.0
"""Requirement: from the end of an execution until the workflow says so."""
QUIET_S: Final = 10.0

pytestmark = pytest.mark.usefixtures("module_services")


@pytest.fixture(scope="module")
def space(cluster: "LocalCluster") -> Kubectl:
    """Kubectl in the namespace of this module, with the Deployments web and api in it."""
    kubectl = fresh_namespace(cluster, "settling")
    for target in ("other", "sibling"):
        kubectl.apply(deployment(target))
    return kubectl


@pytest.fixture(scope="module")
def trail(cluster: "LocalCluster", space: Kubectl) -> AuditTrail:
    """What happens in the namespace."""
    return AuditTrail(cluster.audit_log, space.namespace)


@pytest.fixture(scope="module")
def ended(space: Kubectl, trail: AuditTrail, module_services: Services) -> dict[str, Object]:
    """Return workflows that have ended: two well, one rolled back, one out of time."""
    del trail
    module_services.wait_connected()
    chain = [notify("a"), notify("b", "a"), notify("c", "b")]
    undone = [scale("a", "other", 3), notify("b", "a"), *broken("c", "d", "e", needs="b")]
    space.apply(workflow("chain", chain))
    space.apply(workflow("diamond", diamond()))
    space.apply(workflow("undone", undone, rollback="Automatic"))
    space.apply(workflow("late", [wait_available("a", "nobody") | {"timeout": "2s"}]))
    ends = ("Completed", "Failed", "RolledBack", "RollbackFailed")
    return {name: space.wait_phase(name, *ends) for name in ("chain", "diamond", "undone", "late")}


def broken(*names: str, needs: str) -> list[Object]:
    """Return steps that fail at once."""
    wrong = "registry.example/web:4"
    return [image(name, "web", wrong, needs, container="missing") for name in names]


def versions(trail: AuditTrail, name: str, field: str) -> list[Any]:
    """Return the values that a field of a workflow's status went through."""
    changes = [each for each in trail.changes("workflowexecutions") if each.name == name]
    values = [
        each.object.get("status", {}).get(field)
        for each in sorted(changes, key=lambda change: change.version)
    ]
    return [after for before, after in pairwise([None, *values]) if after != before]


def test_row_42_the_end_of_an_execution_is_seen_at_once(ended: dict[str, Object]) -> None:
    steps = steps_of(ended["diamond"])

    # A step starts only after the workflow says that those before it have ended.
    for child, parents in (("b", "a"), ("c", "a"), ("d", "bc")):
        last = max(_time(steps[parent]["completionTime"]) for parent in parents)
        waited = _time(steps[child]["startTime"]) - last
        assert 0 <= waited.total_seconds() < SEEN_WITHIN_S


def test_row_43_step_times_are_there_and_in_order(ended: dict[str, Object]) -> None:
    for name in ("chain", "diamond"):
        status = ended[name]["status"]
        for step in status["steps"]:
            assert (
                status["startTime"]
                <= status["planningCompleteTime"]
                <= status["executionStartTime"]
                <= step["startTime"]
                <= step["completionTime"]
                <= status["executionCompleteTime"]
            ), step


def test_row_44_progress_is_exact(ended: dict[str, Object], trail: AuditTrail) -> None:
    assert ended["chain"]["status"]["progress"] == 100
    assert [value for value in versions(trail, "chain", "progress") if value] == [33, 66, 100]


def test_row_45_progress_never_decreases(ended: dict[str, Object], trail: AuditTrail) -> None:
    assert ended["undone"]["status"]["phase"] == "RolledBack"
    for name in ended:
        values = [value or 0 for value in versions(trail, name, "progress")]
        assert values == sorted(values), name


def test_row_41_all_parallel_steps_fail_at_once(
    ended: dict[str, Object], trail: AuditTrail, space: Kubectl
) -> None:
    found = executions(space, "undone")
    steps = steps_of(ended["undone"])

    assert {steps[name]["phase"] for name in "cde"} == {"Failed"}
    assert ended["undone"]["status"]["failedStep"] in set("cde")
    assert trail.phases("workflowexecutions", "undone") == [
        "Executing",
        "RollingBack",
        "RolledBack",
    ]
    undos = [each for each in found if each["spec"]["kind"] == "rollback"]
    assert step_names(undos) == ["a"]


def test_row_41_without_a_rollback_they_fail_the_workflow_once(
    space: Kubectl, trail: AuditTrail
) -> None:
    steps = [notify("a"), *broken("b", "c", "d", needs="a")]
    space.apply(workflow("stays", steps))

    done = space.wait_phase("stays", "Failed", "Completed")

    assert done["status"]["failedSteps"] == 3
    assert trail.phases("workflowexecutions", "stays") == ["Executing", "Failed"]


def test_row_39_dependents_of_a_failed_step_never_start(space: Kubectl) -> None:
    steps = [notify("a"), *broken("b", needs="a"), notify("c", "b"), notify("d", "c")]
    space.apply(workflow("stopped", steps))
    done = space.wait_phase("stopped", "Failed", "Completed")

    throughout(
        lambda: step_names(executions(space, "stopped")),
        lambda found: found == ["a", "b"],
        seconds=QUIET_S,
    )

    phases = {name: step["phase"] for name, step in steps_of(done).items()}
    assert phases == {"a": "Completed", "b": "Failed", "c": "Skipped", "d": "Skipped"}
    assert space.get("wfe", "stopped")["status"] == done["status"]


def test_row_40_running_steps_finish_after_a_failure(space: Kubectl) -> None:
    steps = [
        scale("a", "sibling", 3),
        wait_available("b", "slow-sibling"),
        *broken("c", needs="a"),
        notify("d", "b"),
    ]
    space.apply(workflow("siblings", steps, rollback="Automatic"))
    claimed(space, "siblings", "b")
    failing = in_phase(space, "siblings", c="Failed", d="Skipped")
    assert (failing["status"]["phase"], steps_of(failing)["b"]["phase"]) == (
        "Executing",
        "Running",
    )

    release(space, "slow-sibling")

    done = space.wait_phase("siblings", "RolledBack", "RollbackFailed", "Failed")
    slow = steps_of(done)["b"]
    (undo,) = [each for each in executions(space, "siblings") if each["spec"]["kind"] == "rollback"]
    assert done["status"]["phase"] == "RolledBack"
    assert slow["phase"] == "Completed"
    assert slow["completionTime"] <= undo["status"]["startTime"]


def test_row_56_a_step_ends_at_its_limit(ended: dict[str, Object], space: Kubectl) -> None:
    (attempt,) = executions(space, "late")
    took = _time(attempt["status"]["completionTime"]) - _time(attempt["status"]["startTime"])

    assert ended["late"]["status"]["phase"] == "Failed"
    assert steps_of(ended["late"])["a"]["errorType"] == "timeout"
    assert attempt["status"]["executionResults"]["errorType"] == "timeout"
    assert took.total_seconds() >= 2


def test_row_98_recovery_fields(ended: dict[str, Object]) -> None:
    status = ended["undone"]["status"]

    assert status["failedStep"] in set("cde")
    assert status["failedAction"] == "update_image"
    assert status["message"].startswith(f"step {status['failedStep']} failed: ")
    assert status["errorType"] == "validation_error"
    snapshot = status["executionSnapshot"]
    assert sorted(snapshot["completedSteps"]) == ["a", "b"]
    assert snapshot["currentStep"] == status["failedStep"]
    assert "Deployment settling/other" in snapshot["resourceSnapshot"]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
