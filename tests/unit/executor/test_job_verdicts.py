"""How a Job stands, and whose log counts."""

import pytest

from services.executor.core.changes import Broken, Done, NotYet
from services.executor.core.jobs import GONE, is_ours, judge, picked, running
from shared.api.enums import Action, ErrorType
from tests.support.jobs import JOB_UID, Object, claim_of, ended, exited, pod

JOB: Object = {"metadata": {"name": "fix-1-promote-job", "uid": JOB_UID}, "spec": {}}


def _judged(job: Object | None) -> Done | NotYet | Broken:
    return judge(job, uid=JOB_UID, action=Action.FAILOVER_DATABASE)


def test_a_complete_job_is_done() -> None:
    verdict = _judged(ended(JOB, "Complete", "CompletionsReached"))

    assert isinstance(verdict, Done)
    assert verdict.result.success
    assert verdict.result.custom_result is not None
    assert verdict.result.custom_result.action_type == "failover_database"


@pytest.mark.parametrize(
    ("reason", "error", "said"),
    [
        ("BackoffLimitExceeded", ErrorType.UNKNOWN_ERROR, "the Job failed"),
        ("PodFailurePolicy", ErrorType.UNKNOWN_ERROR, "the Job failed (PodFailurePolicy)"),
        ("DeadlineExceeded", ErrorType.TIMEOUT, "the Job ran longer than its timeout"),
    ],
)
def test_a_failed_job_says_why(reason: str, error: ErrorType, said: str) -> None:
    assert _judged(ended(JOB, "Failed", reason)) == Broken(error=error, message=said)


@pytest.mark.parametrize("condition", ["SuccessCriteriaMet", "FailureTarget", "Suspended"])
def test_a_job_whose_pods_still_end_has_not_ended(condition: str) -> None:
    assert isinstance(_judged(ended(JOB, condition)), NotYet)


def test_a_condition_that_is_not_true_says_nothing() -> None:
    found = {"type": "Failed", "status": "False"}

    assert isinstance(_judged(JOB | {"status": {"conditions": [found]}}), NotYet)


def test_a_job_that_is_gone_or_another_one_is_of_unknown_outcome() -> None:
    going = JOB | {"metadata": JOB["metadata"] | {"deletionTimestamp": "2026-01-02T00:00:00Z"}}
    other = ended(JOB | {"metadata": JOB["metadata"] | {"uid": "other"}}, "Complete")

    for job in (None, going, other):
        assert _judged(job) == Broken(error=ErrorType.UNKNOWN_ERROR, message=GONE, reason="Unknown")


def test_a_job_that_was_deleted_after_its_end_has_ended() -> None:
    going = JOB | {"metadata": JOB["metadata"] | {"deletionTimestamp": "2026-01-02T00:00:00Z"}}

    assert isinstance(_judged(ended(going, "Complete")), Done)


def test_what_it_waits_for_is_said() -> None:
    suspended = JOB | {"spec": {"suspend": True}}

    assert _judged(JOB | {"status": {"active": 1}}) == NotYet(message="it runs")
    assert _judged(suspended) == NotYet(message="it is suspended")
    lonely = _judged(JOB)
    assert isinstance(lonely, NotYet)
    assert "no pod yet" in lonely.message


def test_only_the_controlling_owner_makes_a_job_ours() -> None:
    claim = claim_of()
    owner = {"uid": claim.metadata.uid, "controller": True}

    def owned(*owners: Object) -> Object:
        return {"metadata": {"ownerReferences": list(owners)}}

    assert is_ours(owned({"uid": "other"}, owner), claim)
    assert not is_ours(owned(owner | {"controller": False}), claim)
    assert not is_ours(owned({"uid": "other", "controller": True}), claim)
    assert not is_ours({"metadata": {}}, claim)


def test_the_container_that_failed_is_picked() -> None:
    failed = pod(
        "p1",
        "Failed",
        first=exited(0, "Completed"),
        second=exited(137, "OOMKilled"),
        third=exited(0, "Completed"),
    )
    later = pod("p2", "Running", created="2026-01-03T00:00:00Z", only={"running": {}})

    found = picked([failed, later])

    assert found is not None
    assert (found.pod, found.container) == ("p1", "second")
    assert found.state == "ended with exit code 137 (OOMKilled)"


def test_a_container_that_went_before_counts_too() -> None:
    failed = pod("p1", "Failed", main={"waiting": {"reason": "PodInitializing"}})
    failed["status"]["initContainerStatuses"] = [{"name": "before", "state": exited(2)}]

    found = picked([failed])

    assert found is not None
    assert (found.container, found.state) == ("before", "ended with exit code 2")


def test_otherwise_it_is_the_last_container_of_the_last_pod() -> None:
    pods = [
        pod("p2", "Succeeded", created="2026-01-03T00:00:00Z", a=exited(0), b=exited(0)),
        pod("p1", "Succeeded", a=exited(0)),
    ]

    found = picked(pods)

    assert found is not None
    assert (found.pod, found.container, found.state) == ("p2", "b", "ended with exit code 0")


def test_a_container_that_cannot_start_says_so() -> None:
    found = picked([pod("p", "Pending", main={"waiting": {"reason": "ImagePullBackOff"}})])

    assert found is not None
    assert found.state == "waits: ImagePullBackOff"


def test_without_pods_nothing_is_picked_and_ended_pods_do_not_run() -> None:
    assert picked([]) is None
    assert running([pod("a", "Succeeded"), pod("b", "Failed"), pod("c", "Running")]) == ["c"]


def _beside(main: Object, sidecar: Object, phase: str) -> Object:
    """Return a pod with a container that runs beside the main one, and is ended after it."""
    made = pod("p", phase, main=main)
    made["spec"]["initContainers"] = [{"name": "proxy", "restartPolicy": "Always"}]
    made["status"]["initContainerStatuses"] = [{"name": "proxy", "state": sidecar}]
    return made


@pytest.mark.parametrize(
    ("main", "sidecar", "phase", "container", "state"),
    [
        pytest.param(
            exited(0), exited(143), "Succeeded", "main", "ended with exit code 0", id="complete"
        ),
        pytest.param(
            exited(3), exited(137), "Failed", "main", "ended with exit code 3", id="failed"
        ),
        pytest.param(
            {"waiting": {"reason": "PodInitializing"}},
            {"waiting": {"reason": "ImagePullBackOff"}},
            "Pending",
            "proxy",
            "waits: ImagePullBackOff",
            id="cannot start",
        ),
    ],
)
def test_a_sidecar_that_is_ended_with_the_pod_is_not_what_failed(
    main: Object, sidecar: Object, phase: str, container: str, state: str
) -> None:
    found = picked([_beside(main, sidecar, phase)])

    assert found is not None
    assert (found.container, found.state) == (container, state)
