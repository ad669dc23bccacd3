"""What is captured of a change: which fields of an object are the change's own."""

from services.executor.core.captures import state_made

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
