"""What policies see of a Deployment, and how its pods are asked for."""

from shared.policy.inputs import deployments
from tests.support.raw_objects import deployment


def test_conditions_that_are_not_reported_are_false() -> None:
    nothing = {"Available": False, "Progressing": False, "ReplicaFailure": False}

    assert deployments.conditions(None) == nothing
    assert deployments.conditions(deployment()) == nothing
    assert deployments.conditions({"metadata": {"generation": 1}, "spec": {}}) == nothing


def test_conditions_are_true_when_they_say_so() -> None:
    live = deployment(conditions={"Available": "True", "Progressing": "Unknown", "Else": "True"})

    assert deployments.conditions(live) == {
        "Available": True,
        "Progressing": False,
        "ReplicaFailure": False,
    }


def test_a_status_of_an_earlier_spec_reports_nothing() -> None:
    live = deployment(generation=3, observed=2, conditions={"Available": "True"})

    assert not deployments.conditions(live)["Available"]


def test_one_replica_is_asked_for_when_nothing_is_said() -> None:
    assert deployments.replicas(deployment(replicas=None)) == 1
    assert deployments.replicas(deployment(replicas=0)) == 0
