"""What is captured of a change: which fields of an object are the change's own."""

from typing import Any

import pytest

from services.executor.core import paths
from services.executor.core.captures import state_made, with_allocated
from shared.api.execution import CapturedInverse, TargetRef

MANIFEST = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}}


def test_what_a_server_adds_to_the_metadata_of_a_made_object_is_not_of_the_manifest() -> None:
    manifest = MANIFEST | {"data": {"a": "1"}}
    tried = manifest | {"metadata": {"name": "web", "uid": "u", "creationTimestamp": "now"}}

    assert state_made(tried, manifest).after == {"data.a": '"1"'}


def test_labels_and_annotations_of_a_made_object_are_of_the_manifest() -> None:
    meta = {"name": "web", "labels": {"app": "web"}, "annotations": {"note": "x"}}
    manifest = MANIFEST | {"metadata": meta}

    made = state_made(manifest, manifest)

    assert made.absent_before
    assert made.after == {"metadata.labels.app": '"web"', "metadata.annotations.note": '"x"'}


def test_what_a_server_allocates_for_a_made_object_is_not_of_the_manifest() -> None:
    spec = {"clusterIP": "", "ports": [{"name": "a", "port": 80, "nodePort": 0}]}
    manifest = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}
    ports = [{"name": "a", "port": 80, "nodePort": 30000}]
    tried = manifest | {"spec": {"clusterIP": "10.0.0.0", "ports": ports}}

    assert state_made(tried, manifest).after == {
        "spec.ports[a].name": '"a"',
        "spec.ports[a].port": "80",
    }


def test_what_a_manifest_says_of_what_could_be_allocated_is_its_own() -> None:
    spec = {"clusterIP": "None", "ports": [{"name": "a", "nodePort": 30123}]}
    manifest = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}

    after = state_made(manifest, manifest).after

    assert after["spec.clusterIP"] == '"None"'
    assert after["spec.ports[a].nodePort"] == "30123"


def _service(*ports: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": list(ports)}}


def _captured(kind: str = "Service", *ports: dict[str, Any]) -> CapturedInverse:
    return CapturedInverse(
        available=True,
        target=TargetRef(kind=kind, name="web", uid="u1"),
        before={"spec.ports": "[]"},
        after={"spec.ports": paths.text(list(ports)), "spec.type": '"NodePort"'},
    )


def test_the_write_allocates_other_ports_than_its_trial() -> None:
    tried, made = {"name": "a", "nodePort": 30000}, {"name": "a", "nodePort": 31742}

    left = with_allocated(_captured("Service", tried), _service(made))

    assert left.after == {"spec.ports": paths.text([made]), "spec.type": '"NodePort"'}


@pytest.mark.parametrize(
    "live", [_service({"name": "b", "nodePort": 30000}), _service(), {"spec": {}}]
)
def test_ports_that_somebody_changed_are_not_taken_for_allocated(live: dict[str, Any]) -> None:
    captured = _captured("Service", {"name": "a", "nodePort": 30000})

    assert with_allocated(captured, live) == captured
