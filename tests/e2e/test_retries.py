"""Failed attempts are tried again when their policy says so, also over the death of everybody."""

from datetime import datetime, timedelta

import pytest

from tests.support.kubectl import Kubectl, eventually
from tests.support.services import Services
from tests.support.workflows import Object, deployment, image, wait_available, workflow

LATE = "late"
"""A Deployment that is not there at first: an attempt that waits for it times out."""


def _policy(retries: int, *, delay: str, multiplier: float = 1.0) -> Object:
    return {
        "retryPolicy": {
            "maxRetries": retries,
            "initialDelay": delay,
            "multiplier": multiplier,
        }
    }


def _waiting(policy: Object) -> Object:
    return wait_available("wait", LATE) | {"timeout": "2s"} | policy


def _step(wfe: Object) -> Object:
    steps: list[Object] = wfe.get("status", {}).get("steps", [])
    return steps[0] if steps else {}


def _retrying(kubectl: Kubectl, name: str, attempts: int) -> Object:
    """Wait until so many attempts have failed, and nobody writes before the next one is due."""

    def waits(wfe: Object) -> bool:
        step = _step(wfe)
        released = not wfe.get("status", {}).get("tokens")
        return released and (step.get("reason"), step.get("attempts")) == ("Retrying", attempts)

    return _step(eventually(lambda: kubectl.get("wfe", name), waits))


def _attempts(kubectl: Kubectl, name: str) -> list[Object]:
    found = kubectl.items("kex", selector=f"kubernaut.ai/workflow={name}")
    return sorted(found, key=lambda execution: int(execution["spec"]["attempt"]))


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_row_58_retry_with_backoff(kubectl: Kubectl, services: Services) -> None:
    services.wait_connected()
    kubectl.apply(workflow("twice", [_waiting(_policy(3, delay="2s", multiplier=5.0))]))
    second = _retrying(kubectl, "twice", 2)
    kubectl.apply(deployment(LATE, replicas=0))

    done = kubectl.wait_phase("twice", "Completed", "Failed")

    step = _step(done)
    assert done["status"]["phase"] == "Completed"
    assert (step["retriesAttempted"], step["attempts"]) == (2, 3)
    assert "attempt 2 of 4 failed" in second["message"]
    assert second["errorType"] == "timeout"
    assert not {"nextAttemptTime", "errorType", "reason"} & step.keys()
    first, *later = executions = _attempts(kubectl, "twice")
    assert [execution["spec"]["attempt"] for execution in executions] == [1, 2, 3]
    for before, after, wait_s in zip([first, *later], later, (2, 10), strict=False):
        due = _time(before["status"]["completionTime"]) + timedelta(seconds=wait_s)
        assert _time(after["status"]["startTime"]) >= due
        assert _time(after["metadata"]["creationTimestamp"]) >= due.replace(microsecond=0)
    assert done["status"]["health"] == "degraded"
    assert done["status"]["workflowResult"]["outcome"] == "success"


@pytest.mark.usefixtures("services")
def test_attempts_that_are_used_up_fail_the_step(kubectl: Kubectl) -> None:
    kubectl.apply(workflow("never", [_waiting(_policy(1, delay="1s"))]))

    done = kubectl.wait_phase("never", "Completed", "Failed")

    assert done["status"]["phase"] == "Failed"
    assert _step(done)["message"].startswith("after 2 attempts: ")
    assert done["status"]["errorType"] == "timeout"
    assert len(_attempts(kubectl, "never")) == 2


@pytest.mark.usefixtures("services")
def test_row_59_permanent_error_is_not_retried(kubectl: Kubectl) -> None:
    wrong = image("wrong", "web", "registry.example/web:2", container="missing")
    kubectl.apply(workflow("once", [wrong | _policy(3, delay="1s")]))

    done = kubectl.wait_phase("once", "Completed", "Failed")

    assert done["status"]["phase"] == "Failed"
    assert done["status"]["errorType"] == "validation_error"
    assert _step(done)["attempts"] == 1
    assert _step(done).get("retriesAttempted", 0) == 0
    assert len(_attempts(kubectl, "once")) == 1


def test_row_60_retry_state_survives_a_restart(kubectl: Kubectl, services: Services) -> None:
    services.wait_connected()
    kubectl.apply(workflow("patient", [_waiting(_policy(2, delay="12s"))]))
    waiting = _retrying(kubectl, "patient", 1)

    for process in services.processes.values():
        process.kill()
    kubectl.apply(deployment(LATE, replicas=0))
    kept = _step(kubectl.get("wfe", "patient"))
    for process in services.processes.values():
        process.start()
    done = kubectl.wait_phase("patient", "Completed", "Failed")

    assert kept == waiting
    assert done["status"]["phase"] == "Completed"
    assert (_step(done)["retriesAttempted"], _step(done)["attempts"]) == (1, 2)
    first, second = _attempts(kubectl, "patient")
    assert first["status"]["phase"] == "Failed"
    assert _time(second["status"]["startTime"]) >= _time(waiting["nextAttemptTime"])
