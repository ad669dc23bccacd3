"""What policies see of pods: the worst first, and a word for each."""

import pytest

from shared.policy.inputs.pods import pod_facts
from tests.support.raw_objects import Object, ended, pod, waiting


def test_without_pods_the_keys_are_there() -> None:
    facts = pod_facts([])

    assert facts["pods"] == []
    assert facts["running_pods"] == facts["ready_pods"] == facts["pods_total"] == 0


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (pod(), "Running"),
        (pod(phase="Pending", states=[waiting("ContainerCreating")]), "Pending"),
        (pod(states=[waiting("CrashLoopBackOff")]), "CrashLoopBackOff"),
        (pod(phase="Pending", states=[waiting("ImagePullBackOff")]), "ImagePullBackOff"),
        (pod(states=[ended("Error"), waiting("CrashLoopBackOff")]), "CrashLoopBackOff"),
        (pod(states=[ended("Error")]), "Error"),
        (pod(phase="Succeeded", states=[ended("Completed", code=0)]), "Succeeded"),
        (pod(states=[waiting("CrashLoopBackOff")], terminating=True), "Terminating"),
        (pod(phase=""), "Unknown"),
    ],
)
def test_what_keeps_a_container_from_running_beats_the_phase(found: Object, status: str) -> None:
    assert pod_facts([found])["pods"][0]["status"] == status


def test_an_init_container_counts_as_well() -> None:
    found = pod(phase="Pending")
    found["status"]["initContainerStatuses"] = [waiting("CrashLoopBackOff")]

    assert pod_facts([found])["pods"][0]["status"] == "CrashLoopBackOff"


@pytest.mark.parametrize("last", [True, False])
def test_memory_that_ran_out_is_told(last: bool) -> None:
    (told,) = pod_facts([pod(states=[ended("OOMKilled", code=137, last=last)])])["pods"]

    assert told["oom_killed"] is True


def test_no_key_speaks_of_throttling_as_nothing_measures_it() -> None:
    assert "throttled" not in pod_facts([pod()])["pods"][0]


def test_pods_on_their_way_out_neither_run_nor_are_ready() -> None:
    facts = pod_facts(
        [pod("a"), pod("b", ready=False), pod("c", terminating=True), pod("d", phase="Pending")]
    )

    assert (facts["running_pods"], facts["ready_pods"], facts["pods_total"]) == (2, 2, 4)


def test_of_many_pods_the_worst_are_listed() -> None:
    well = [pod(f"a{number:04}") for number in range(1000)]
    starting = pod("x", phase="Pending")
    killed = pod("y", states=[ended("OOMKilled", last=True)])
    crashing = pod("z", states=[waiting("CrashLoopBackOff")])

    facts = pod_facts([*well, starting, killed, crashing])

    assert [each["name"] for each in facts["pods"][:4]] == ["z", "y", "x", "a0000"]
    assert len(facts["pods"]) == 200
    assert facts["pods_total"] == facts["running_pods"] + 1 == 1003
