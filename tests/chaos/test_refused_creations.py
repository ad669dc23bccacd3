"""An API server that does not take an execution: tried again, or not, and then said aloud."""

from typing import TYPE_CHECKING, Final

import pytest

from tests.support.control import condition, executions, steps_of
from tests.support.kubectl import Kubectl, Object
from tests.support.namespaces import empty_namespace
from tests.support.refusing import (
    BrokenBackend,
    Creations,
    failing_creations,
    forbidding_policy,
    lifted,
)
from tests.support.workflows import notify, workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

TRIES: Final = 5

pytestmark = pytest.mark.usefixtures("services")


def test_row_23_creation_is_retried_five_times(cluster: "LocalCluster") -> None:
    kubectl = empty_namespace(cluster, "fifth-try")
    creations = Creations(cluster.audit_log, kubectl.namespace)
    with BrokenBackend() as backend, failing_creations(kubectl, backend):
        backend.hold_after(TRIES - 2)
        kubectl.apply(two_steps("lucky"))
        # The fourth try fails too, but not before the fifth will get through.
        backend.wait_held(1)
        lifted(kubectl)
        backend.hang_up()
        done = kubectl.wait_phase("lucky", "Completed", "Degraded")

    assert done["status"]["phase"] == "Completed"
    assert {step["attempts"] for step in done["status"]["steps"]} == {1}
    assert creations.codes() == [500, 500, 500, 500, 201, 201]


def test_row_23_what_is_forbidden_is_tried_once(cluster: "LocalCluster") -> None:
    kubectl = empty_namespace(cluster, "forbidden")
    creations = Creations(cluster.audit_log, kubectl.namespace)
    with forbidding_policy(kubectl):
        kubectl.apply(two_steps("hopeless"))
        done = kubectl.wait_phase("hopeless", "Completed", "Degraded")

    assert creations.codes() == [403]
    given_up(kubectl, done, "permission_denied")


def test_row_24_a_creation_that_fails_five_times_is_given_up(cluster: "LocalCluster") -> None:
    kubectl = empty_namespace(cluster, "given-up")
    creations = Creations(cluster.audit_log, kubectl.namespace)
    with BrokenBackend() as backend, failing_creations(kubectl, backend):
        kubectl.apply(two_steps("hopeless"))
        done = kubectl.wait_phase("hopeless", "Completed", "Degraded")

    assert creations.codes() == [500] * TRIES
    given_up(kubectl, done, "unknown_error")


def two_steps(name: str) -> Object:
    return workflow(name, [notify("a"), notify("b", "a")], rollback="Manual")


def given_up(kubectl: Kubectl, done: Object, error: str) -> None:
    """Check a workflow whose first step got no execution."""
    steps, said = steps_of(done), condition(done, "StepCreationFailed")
    assert done["status"]["phase"] == "Degraded"
    assert (steps["a"]["reason"], steps["a"]["errorType"]) == ("ExecutionCreationError", error)
    assert (said["status"], said["reason"]) == ("True", "ExecutionCreationError")
    assert (steps["b"]["phase"], steps["b"]["reason"]) == ("Skipped", "WorkflowFailed")
    assert done["status"].get("tokens", {}) == {}
    assert executions(kubectl, done["metadata"]["name"]) == []
