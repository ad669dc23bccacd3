"""A process is ready when every check is fine, and says why when it is not."""

from shared.telemetry.readiness import Readiness


def test_nothing_to_check_is_ready() -> None:
    assert Readiness().is_ready


def test_an_expected_check_fails_until_it_is_fine() -> None:
    readiness = Readiness(expected=["crds"])
    before = readiness.reasons
    readiness.set("crds", ok=True)

    assert before == ("crds was not checked yet",)
    assert readiness.is_ready
    assert readiness.checks == ("crds",)


def test_every_failing_check_gives_its_reason() -> None:
    readiness = Readiness()
    readiness.set("rbac", ok=False, reason="may not patch workflowexecutions/status")
    readiness.set("crds", ok=False, reason="CRD workflowexecutions is missing")
    readiness.set("bus", ok=False)

    assert readiness.reasons == (
        "bus is not ready",
        "CRD workflowexecutions is missing",
        "may not patch workflowexecutions/status",
    )


def test_a_check_can_be_dropped() -> None:
    readiness = Readiness(expected=["lease"])
    readiness.forget("lease")

    assert readiness.is_ready


def test_stopping_turns_readiness_off() -> None:
    readiness = Readiness()
    readiness.stop()

    assert readiness.reasons == ("stopping",)
