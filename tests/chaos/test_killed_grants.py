"""All services die between a grant and its execution, and in every wait for a next attempt."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from tests.support.control import executions, release, step_names, steps_of, throughout
from tests.support.kubectl import Kubectl, Object, eventually
from tests.support.namespaces import empty_namespace
from tests.support.refusing import BrokenBackend, Creations, failing_creations, lifted
from tests.support.services import Services
from tests.support.watching import ExecutionWatch
from tests.support.workflows import wait_available, workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

LIMIT: Final = 5
STEPS: Final = [f"s{number}" for number in range(7)]
GATE: Final = "gate"
"""A Deployment that all steps wait for: nothing ends before the test makes it."""


def test_row_32_tokens_survive_a_kill_between_grant_and_creation(
    cluster: "LocalCluster", services: Services
) -> None:
    kubectl = empty_namespace(cluster, "granted-and-killed")
    creations = Creations(cluster.audit_log, kubectl.namespace)
    with BrokenBackend() as backend, failing_creations(kubectl, backend):
        backend.hold_after(0)
        kubectl.apply(workflow("granted", [wait_available(name, GATE) for name in STEPS]))
        backend.wait_held(LIMIT)
        granted = _tokens(kubectl, "granted")
        services.processes["orchestrator-0"].kill()
        assert executions(kubectl, "granted") == []
        assert _tokens(kubectl, "granted") == granted
        lifted(kubectl)
    assert set(granted) == set(STEPS[:LIMIT])

    with ExecutionWatch(kubectl) as watch:
        services.processes["orchestrator-0"].start()
        eventually(lambda: watch.created, lambda created: len(created) == LIMIT)
        throughout(lambda: len(watch.created), lambda count: count == LIMIT)
        assert _tokens(kubectl, "granted") == granted
        release(kubectl, GATE)
        done = kubectl.wait_phase("granted", "Completed", "Failed")

    assert done["status"]["phase"] == "Completed"
    assert done["status"].get("tokens", {}) == {}
    assert {step["attempts"] for step in done["status"]["steps"]} == {1}
    assert max(watch.samples) == LIMIT
    assert sorted(step_names(executions(kubectl, "granted"))) == STEPS
    assert creations.codes().count(201) == len(STEPS)


def test_row_60_kill_in_every_retry_wait(cluster: "LocalCluster", services: Services) -> None:
    kubectl = empty_namespace(cluster, "killed-in-waits")
    policy = {"maxRetries": 2, "initialDelay": "6s", "multiplier": 1.5}
    step = wait_available("a", "late") | {"timeout": "1s", "retryPolicy": policy}
    kubectl.apply(workflow("patient", [step]))

    waits = []
    for attempt in (1, 2):
        waits.append(_retrying(kubectl, attempt))
        for process in services.processes.values():
            process.kill()
        kept = steps_of(kubectl.get("wfe", "patient"))["a"]
        for process in services.processes.values():
            process.start()
        assert kept == waits[-1]
    done = kubectl.wait_phase("patient", "Completed", "Failed")

    assert done["status"]["phase"] == "Failed"
    assert steps_of(done)["a"]["message"].startswith("after 3 attempts: ")
    attempts = executions(kubectl, "patient")
    assert [each["spec"]["attempt"] for each in attempts] == [1, 2, 3]
    for delay_s, wait, before, after in zip((6, 9), waits, attempts, attempts[1:], strict=False):
        due = _time(wait["nextAttemptTime"])
        assert due == _time(before["status"]["completionTime"]) + timedelta(seconds=delay_s)
        assert _time(after["status"]["startTime"]) >= due


def _tokens(kubectl: Kubectl, name: str) -> Object:
    tokens: Object = kubectl.get("wfe", name)["status"].get("tokens", {})
    return tokens


def _retrying(kubectl: Kubectl, attempts: int) -> Object:
    """Return the step once so many attempts have failed and nobody writes before the next."""

    def waits(wfe: Object) -> bool:
        step, released = steps_of(wfe).get("a", {}), not wfe.get("status", {}).get("tokens")
        return released and (step.get("reason"), step.get("attempts")) == ("Retrying", attempts)

    return steps_of(eventually(lambda: kubectl.get("wfe", "patient"), waits))["a"]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
