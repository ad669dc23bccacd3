"""The input of safety policies: the change, its target, the cluster around it."""

from datetime import UTC, datetime

import msgspec
import pytest

from shared.api.parameters import (
    CordonNode,
    NotifyOnly,
    Parameters,
    ScaleDeployment,
)
from shared.errors import PermanentError
from shared.limits import GitOps
from shared.policy.inputs.safety import Surroundings, is_production, safety_input
from shared.policy.inputs.targets import Asked, asked
from tests.support.builders import make_workflow, scale_step
from tests.support.raw_objects import Object, deployment, node

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
SCALE = asked(
    "scale_deployment",
    Parameters(scale_deployment=ScaleDeployment(deployment="web", replicas=5)),
    namespace="default",
)
NODES = [
    node("n1", labels={"node-role.kubernetes.io/control-plane": ""}),
    node("n2", cordoned=True),
    node("n3"),
]


def seen(
    what: Asked = SCALE,
    *,
    target: Object | None = None,
    namespace: Object | None = None,
    annotations: dict[str, str] | None = None,
) -> Object:
    workflow = make_workflow([scale_step("web")])
    meta = msgspec.structs.replace(workflow.metadata, annotations=annotations or {})
    return safety_input(
        msgspec.structs.replace(workflow, metadata=meta),
        what,
        Surroundings(target=target, namespace=namespace, nodes=NODES),
        step_name="web",
        rollback=False,
        gitops=GitOps.NOTE,
        now=NOW,
    )


def test_a_change_is_seen_with_its_target_and_the_cluster() -> None:
    live = deployment(replicas=2, labels={"critical": "true"}, annotations={"note": "x" * 1000})

    data = seen(target=live, annotations={"kubernaut.ai/submitted-by": "ann", "other.io/x": "y"})

    assert data == {
        "action": "scale_deployment",
        "changes_cluster": True,
        "parameters": {"deployment": "web", "namespace": "", "replicas": 5},
        "target_resource": {
            "found": True,
            "kind": "Deployment",
            "name": "web",
            "namespace": "default",
            "labels": {"critical": "true"},
            "annotations": {"note": "x" * 512},
            "replicas": 2,
        },
        "cluster_info": {"total_nodes": 3, "available_nodes": 2, "control_plane_nodes": 1},
        "production": False,
        "now": "2026-01-02T03:04:05Z",
        "rollback": False,
        "gitops": "note",
        "dry_run": False,
        "metadata": {
            "workflow": "fix",
            "namespace": "default",
            "step": "web",
            "submitter": "ann",
            "annotations": {"kubernaut.ai/submitted-by": "ann"},
        },
    }


def test_a_target_that_is_not_there_has_no_labels() -> None:
    target = seen()["target_resource"]

    assert (target["found"], target["labels"], target["annotations"]) == (False, {}, {})
    assert (target["kind"], target["name"], target["namespace"]) == ("Deployment", "web", "default")


def test_what_is_about_no_object_has_an_empty_target() -> None:
    what = asked("notify_only", Parameters(notify_only=NotifyOnly(message="hi")), namespace="d")

    data = seen(what)

    assert data["changes_cluster"] is False
    assert (data["target_resource"]["kind"], data["target_resource"]["found"]) == ("", False)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("n1", {"found": True, "ready": True, "unschedulable": False, "control_plane": True}),
        ("n2", {"found": True, "ready": True, "unschedulable": True, "control_plane": False}),
        ("n9", {"found": False}),
    ],
)
def test_a_node_is_described(name: str, told: Object) -> None:
    parameters = Parameters(cordon_node=CordonNode(node=name))

    assert seen(asked("cordon_node", parameters, namespace="default"))["node"] == told


@pytest.mark.parametrize(
    ("labels", "is_so"),
    [
        ({"environment": "production"}, True),
        ({"kubernaut.ai/environment": "production"}, True),
        ({"environment": "staging", "kubernaut.ai/environment": "production"}, True),
        ({"environment": "staging"}, False),
        ({}, False),
    ],
)
def test_production_is_a_label_of_the_namespace(labels: dict[str, str], is_so: bool) -> None:
    assert is_production({"metadata": {"labels": labels}}) is is_so


def test_annotations_of_ours_are_seen_whatever_their_prefix() -> None:
    ours = {"kubernaut.io/a": "1", "kubernaut.ai/b": "2", "policy.kubernaut.ai/c": "3"}

    data = seen(annotations=ours | {"notkubernaut.ai/d": "4", "plain": "5"})

    assert data["metadata"]["annotations"] == ours


def test_more_labels_than_can_be_shown_are_an_error_as_one_may_deny() -> None:
    live = deployment(labels={f"l{n}": "" for n in range(129)})

    with pytest.raises(PermanentError, match="labels of the target: 129 are more than 128"):
        seen(target=live)


def test_the_input_as_a_whole_is_bounded() -> None:
    live = deployment(
        labels={f"{'k' * 300}{n:03}": "v" * 63 for n in range(128)},
        annotations={f"{'k' * 300}{n:03}": "\U0001f600" * 512 for n in range(128)},
    )

    with pytest.raises(PermanentError, match="the input would take"):
        seen(target=live)
