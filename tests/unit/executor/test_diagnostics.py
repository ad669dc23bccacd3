"""What is written down of an object in trouble."""

from services.executor.core.changes import Address
from services.executor.core.diagnostics import summary
from shared.api.groups import POD
from shared.kube.port import Object

WEB = Address(kind=POD, name="web", namespace="shop")


def _event(reason: str, **times: object) -> Object:
    involved = {"kind": "Pod", "name": "web"}
    return {"involvedObject": involved, "reason": reason, "message": "m", **times}


def test_an_init_container_that_fails_is_told() -> None:
    status = {
        "phase": "Pending",
        "initContainerStatuses": [
            {
                "name": "migrate",
                "restartCount": 4,
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
            }
        ],
        "containerStatuses": [{"name": "app", "state": {"waiting": {"reason": "PodInitializing"}}}],
    }
    pod = {"metadata": {"name": "web"}, "status": status}

    text = summary(WEB, pod, [pod], [])

    assert "pod web: migrate CrashLoopBackOff, migrate last ended Error with 1" in text
    assert "4 restarts" in text


def test_the_latest_warnings_are_told_whichever_way_their_time_is_given() -> None:
    old = [_event(f"Old{n}", lastTimestamp=f"2026-01-01T00:00:0{n}Z") for n in range(5)]
    single = _event("FailedScheduling", lastTimestamp=None, eventTime="2026-01-02T00:00:00.000001Z")
    series = _event(
        "Unhealthy",
        lastTimestamp=None,
        eventTime="2025-01-01T00:00:00.000001Z",
        series={"count": 9, "lastObservedTime": "2026-01-03T00:00:00.000001Z"},
    )

    lines = summary(WEB, {"status": {}}, [], [*old, single, series]).splitlines()

    told = [line.split(": ")[2] for line in lines if line.startswith("warning")]
    assert told == ["Unhealthy", "FailedScheduling", "Old4", "Old3", "Old2"]


def test_a_warning_is_one_line_whatever_was_written() -> None:
    event = _event("Unhealthy") | {"message": "Readiness probe failed: no\npod other: fine"}

    text = summary(WEB, {"status": {}}, [], [event])

    assert text.splitlines()[1:] == [
        "warning: Pod web: Unhealthy: Readiness probe failed: no pod other: fine"
    ]
