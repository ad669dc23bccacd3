"""The name of the policy around a pod."""

import pytest

from services.executor.quarantine import policy_name


@pytest.mark.parametrize("pod", ["web-0", "a" * 241 + ".b", "a" * 241 + "-b", "a" * 253])
def test_a_policy_has_a_name_that_it_can_have(pod: str) -> None:
    name = policy_name(pod)

    assert len(name) <= 253
    assert name[-1].isalnum()


def test_pods_that_begin_alike_have_policies_of_their_own() -> None:
    pods = [f"{'a' * 250}-{number}" for number in range(3)]

    assert policy_name("web-0") == "quarantine-web-0"
    assert len({policy_name(pod) for pod in pods}) == len(pods)
