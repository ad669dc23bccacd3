"""What has to hold after a step, on live objects: dependents wait for it, or it is undone."""

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from shared.clock import SystemClock
from tests.support.control import condition as condition_of
from tests.support.control import executions, in_phase, step_names, steps_of
from tests.support.guarded import NO, YES, after, before, condition, results, told, verdicts
from tests.support.kubectl import Kubectl, Object, eventually
from tests.support.namespaces import fresh_namespace
from tests.support.pods import CRASHING, KILLED, RUNNING, pods_of, put_container, put_phase
from tests.support.services import Services
from tests.support.workflows import deployment, notify, scale, workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

ENDS: Final = ("Completed", "Failed", "RolledBack", "RollbackFailed")
LATE: Final = timedelta(seconds=40)
NO_DEADLINE: Final = 2**31 - 1
"""Seconds; a Deployment that gives a rollout so many does not say whether it progresses."""
TROUBLED: Final[dict[str, Object]] = {
    "crashing": CRASHING,
    "converging": CRASHING,
    "undone": CRASHING,
    "starved": KILLED,
}


@pytest.fixture(scope="module")
def space(cluster: "LocalCluster") -> Kubectl:
    """Kubectl in the namespace of this module, with pods in trouble in it."""
    kubectl = fresh_namespace(cluster, "postconditions")
    silent = deployment("silent")
    silent["spec"]["progressDeadlineSeconds"] = NO_DEADLINE
    targets = [deployment(name) for name in (*TROUBLED, "hollow")]
    items = [silent, deployment("empty"), *targets]
    kubectl.apply({"apiVersion": "v1", "kind": "List", "items": items})
    for name, trouble in TROUBLED.items():
        put_container(kubectl, pods_of(kubectl, name)[0], **trouble)
    put_phase(kubectl, pods_of(kubectl, "hollow")[0], "Pending")
    return kubectl


@pytest.fixture(scope="module")
def begun(space: Kubectl, module_services: Services) -> list[str]:
    """Begin all workflows at once, and return their names."""
    del module_services
    bodies = [*_of_policies(), *_of_waiting()]
    everything = {"apiVersion": "v1", "kind": "List", "items": bodies}
    space.ok("create", "-f", "-", stdin=json.dumps(everything))
    return [body["metadata"]["name"] for body in bodies]


@pytest.fixture(scope="module")
def ended(space: Kubectl, begun: list[str]) -> dict[str, Object]:
    """Return all workflows but the one that comes true late, once they have ended."""
    return {name: space.wait_phase(name, *ENDS) for name in begun if name != "late"}


def _of_policies() -> list[Object]:
    running, healthy = "desired_replicas_running", "deployment_health_check"
    calm, sparing = "no_crashloop_pods", "resource_usage_acceptable"
    return [
        _verified("all-run", scale("a", "web", 3), running, healthy, calm),
        _verified("none-left", scale("a", "empty", 0), running, healthy, calm, sparing),
        _verified("some-run", scale("a", "hollow", 2), running),
        _verified("silent", scale("a", "silent", 2), healthy),
        _verified("crashing", scale("a", "crashing", 2), calm),
        _verified("starved", scale("a", "starved", 2), sparing),
    ]


def _verified(name: str, step: Object, *kinds: str) -> Object:
    return workflow(name, [after(step, *(condition(kind, timeout="3s") for kind in kinds))])


def _of_waiting() -> list[Object]:
    calm = condition("no_crashloop_pods", timeout="2s")
    patient = condition("no_crashloop_pods", timeout="2m")
    return [
        workflow("late", [after(scale("a", "converging", 3), patient), notify("b", "a")]),
        workflow(
            "undone",
            [scale("o", "api", 3), after(scale("a", "undone", 3, "o"), calm), notify("b", "a")],
            rollback="Automatic",
        ),
        workflow(
            "patience",
            [
                after(notify("short"), condition("no", NO, timeout="2s")),
                after(notify("long"), condition("no", NO, timeout="5s")),
                after(
                    notify("both"),
                    condition("wanted", NO, required=False, timeout="1s"),
                    condition("needed", NO, timeout="3s"),
                ),
            ],
        ),
        workflow(
            "warned",
            [
                after(
                    before(
                        notify("a"), condition("ready", YES), condition("no", NO, required=False)
                    ),
                    condition("wanted", NO, required=False, timeout="1s"),
                    condition("needed", YES),
                )
            ],
        ),
    ]


@pytest.mark.parametrize(
    ("kind", "passes", "fails", "why"),
    [
        ("desired_replicas_running", "all-run", "some-run", "1 pods run and 2 are ready; 2 are"),
        ("deployment_health_check", "all-run", "silent", "the deployment is not Progressing"),
        ("no_crashloop_pods", "all-run", "crashing", "is in CrashLoopBackOff"),
        ("resource_usage_acceptable", "none-left", "starved", "was OOM-killed, or nobody knows"),
    ],
)
def test_row_79_shipped_postconditions_on_live_deployments(
    ended: dict[str, Object], kind: str, passes: str, fails: str, why: str
) -> None:
    assert verdicts(ended[passes], "a")[kind] == (True, True)
    assert ended[passes]["status"]["phase"] == "Completed"
    assert verdicts(ended[fails], "a")[kind] == (True, False)
    assert ended[fails]["status"]["phase"] == "Failed"
    assert why in results(ended[fails], "a")[kind]["errorMessage"]
    assert steps_of(ended[fails])["a"]["message"].startswith(
        f"postcondition {kind} not met within 3s: "
    )


def test_row_80_a_deployment_without_pods_or_a_replica_failure_is_well(
    space: Kubectl, ended: dict[str, Object]
) -> None:
    reported = {each["type"] for each in space.get("deployment", "web")["status"]["conditions"]}

    assert "ReplicaFailure" not in reported
    assert space.items("pods", selector="app=empty") == []
    assert set(verdicts(ended["none-left"], "a").values()) == {(True, True)}


def test_row_84_a_condition_that_never_holds_starts_the_rollback(
    space: Kubectl, ended: dict[str, Object]
) -> None:
    done = ended["undone"]
    step = steps_of(done)["a"]

    assert done["status"]["phase"] == "RolledBack"
    assert (step["phase"], step["errorType"]) == ("Failed", "postcondition_failed")
    assert steps_of(done)["b"]["phase"] == "Skipped"
    assert step_names(executions(space, "undone")) == ["o", "a", "a", "o"]
    said = condition_of(done, "PostconditionsFailed")
    assert (said["status"], said["message"]) == ("True", f"step a: {step['message']}")
    assert told(space, "undone", "StepFailed") == f"step a: {step['message']}"
    for target in ("undone", "api"):
        assert space.get("deployment", target)["spec"]["replicas"] == 2


def test_row_85_each_condition_has_its_own_time(space: Kubectl, ended: dict[str, Object]) -> None:
    steps = steps_of(ended["patience"])
    began = {
        each["spec"]["stepName"]: _time(each["status"]["completionTime"])
        for each in executions(space, "patience")
    }
    took = {name: _time(step["completionTime"]) - began[name] for name, step in steps.items()}

    for name, kind, seconds in (("short", "no", 2), ("long", "no", 5), ("both", "needed", 3)):
        assert steps[name]["message"].startswith(
            f"postcondition {kind} not met within {seconds}s: not today"
        )
        assert took[name] >= timedelta(seconds=seconds)
    assert took["short"] < took["both"] < took["long"]


def test_row_85_an_optional_one_out_of_time_is_a_warning(ended: dict[str, Object]) -> None:
    assert ended["warned"]["status"]["phase"] == "Completed"
    assert verdicts(ended["warned"], "a")["wanted"] == (True, False)
    assert ended["warned"]["status"]["workflowResult"]["outcome"] == "partial_success"


def test_row_91_conditions_are_counted_by_type_and_phase(
    ended: dict[str, Object], module_services: Services
) -> None:
    del ended
    prefix = "workflowexecution_condition"
    granted, verified = (module_services.metrics(name) for name in ("orchestrator", "monitor"))

    for counted, phase, held, missed in (
        (granted, "precondition", "ready", "no"),
        (verified, "postcondition", "needed", "wanted"),
    ):
        yes, no = (f'condition_type="{kind}",phase="{phase}"' for kind in (held, missed))
        assert counted[f'{prefix}_evaluations_total{{{yes},required="true"}}'] >= 1
        assert counted[f"{prefix}_passed_total{{{yes}}}"] >= 1
        assert counted[f'{prefix}_failed_total{{{no},required="false"}}'] >= 1
        assert counted[f"{prefix}_duration_seconds_count{{{yes}}}"] >= 1
        assert f"{prefix}_passed_total{{{no}}}" not in counted
    vain = 'action="scale_deployment",condition_type="no_crashloop_pods"'
    late = 'condition_type="no_crashloop_pods",phase="postcondition"'
    assert verified[f"executions_failed_by_postcondition_total{{{vain}}}"] == 2
    assert verified[f"condition_timeout_total{{{late}}}"] == 2


def test_row_83_what_comes_true_late_is_waited_for(
    space: Kubectl, ended: dict[str, Object]
) -> None:
    del ended
    waiting = in_phase(space, "late", a="Verifying")
    (attempt,) = executions(space, "late")
    done_at = _time(attempt["status"]["completionTime"])
    eventually(SystemClock().now, lambda now: now >= done_at + LATE)
    assert steps_of(space.get("wfe", "late"))["a"]["phase"] == "Verifying"
    assert steps_of(waiting)["a"]["message"].startswith("waiting for no_crashloop_pods: ")
    assert step_names(executions(space, "late")) == ["a"]

    for pod in space.items("pods", selector="app=converging"):
        put_container(space, pod, **RUNNING)
    done = space.wait_phase("late", *ENDS)

    steps = steps_of(done)
    assert done["status"]["phase"] == "Completed"
    assert _time(steps["a"]["completionTime"]) >= done_at + LATE
    assert steps["b"]["startTime"] >= steps["a"]["completionTime"]
    assert verdicts(done, "a") == {"no_crashloop_pods": (True, True)}


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
