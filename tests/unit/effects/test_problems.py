"""What is wrong with the parameters of an action is said at planning, by field."""

import json
from typing import Any

import msgspec
import pytest

from shared.api.enums import Action
from shared.api.parameters import (
    ActionParameters,
    AnnotateResource,
    ApplyManifest,
    LabelResource,
    Parameters,
    PatchDeployment,
)
from shared.effects.catalogue import parameters_of
from shared.effects.problems import problems_of

KEYS = {each.name: each.encode_name for each in msgspec.structs.fields(Parameters)}
POD = {"kind": "Pod", "name": "x"}
NODE = {"node": "x", "effect": "NoSchedule"}
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x"


def _problems(action: Action, given: dict[str, Any]) -> list[tuple[str, str]]:
    found = parameters_of(action, msgspec.convert({KEYS[str(action)]: given}, Parameters))
    assert found is not None
    return list(problems_of(found))


@pytest.mark.parametrize(
    ("action", "given", "field", "words"),
    [
        (Action.LABEL_RESOURCE, {"kind": "Node", "name": "x", "labels": {"a": "b"}}, "kind", "use"),
        (Action.LABEL_RESOURCE, {"kind": "Pod", "name": "x"}, "", "it changes nothing"),
        (
            Action.ANNOTATE_RESOURCE,
            {"kind": "Pod", "name": "x", "annotations": {"a": "b"}, "remove": ["a"]},
            "remove",
            "a cannot be set and removed at once",
        ),
        (Action.UPDATE_CONFIGMAP, {"configMap": "x"}, "", "give data or remove"),
        (Action.UPDATE_SECRET, {"secret": "x", "data": {"a": "?"}}, "data[a]", "no base64"),
        (
            Action.UPDATE_SECRET,
            {"secret": "x", "valuesFrom": "y", "data": {"a": "YQ=="}},
            "valuesFrom",
            "not both",
        ),
        (Action.RESTART_POD, {}, "", "give one of pod, selector and deployment"),
        (Action.INCREASE_RESOURCES, {"deployment": "x"}, "", "give at least one of cpuLimit"),
        (Action.UPDATE_HPA, {"hpa": "x"}, "", "give minReplicas, maxReplicas or both"),
        (Action.UPDATE_HPA, {"hpa": "x", "maxReplicas": 0}, "maxReplicas", "at least 1"),
        (
            Action.UPDATE_HPA,
            {"hpa": "x", "minReplicas": 3, "maxReplicas": 2},
            "minReplicas",
            "it is 3, more than maxReplicas 2",
        ),
        (Action.PATCH_DEPLOYMENT, {"deployment": "x", "patch": "a: [1"}, "patch", "no YAML"),
        (Action.PATCH_DEPLOYMENT, {"deployment": "x", "patch": "[1]"}, "patch", "no object"),
        (
            Action.PATCH_DEPLOYMENT,
            {"deployment": "x", "patch": "status: {}"},
            "patch",
            "status cannot be patched",
        ),
        (
            Action.PATCH_DEPLOYMENT,
            {"deployment": "x", "patch": "metadata: {ownerReferences: []}"},
            "patch",
            "metadata.ownerReferences cannot be patched",
        ),
        (
            Action.PATCH_DEPLOYMENT,
            {"deployment": "x", "patchType": "json", "patch": "[{op: add}]"},
            "patch",
            "a list of operations",
        ),
        (
            Action.PATCH_DEPLOYMENT,
            {
                "deployment": "x",
                "patchType": "json",
                "patch": "[{op: remove, path: /metadata/ownerReferences/0}]",
            },
            "patch",
            "/metadata/ownerReferences",
        ),
        (
            Action.UPDATE_NETWORK_POLICY,
            {"networkpolicy": "x", "rules": "inbound: []"},
            "rules",
            "inbound is not among",
        ),
        (Action.APPLY_MANIFEST, {"manifest": "kind: Secret"}, "manifest", "use update_secret"),
        (Action.APPLY_MANIFEST, {"manifest": "kind: Role"}, "manifest", "cannot be applied"),
        (
            Action.APPLY_MANIFEST,
            {"manifest": "{apiVersion: v2, kind: ConfigMap, metadata: {name: x}}"},
            "manifest",
            "apiVersion of a ConfigMap is v1",
        ),
        (
            Action.APPLY_MANIFEST,
            {"manifest": "apiVersion: v1\nkind: ConfigMap"},
            "manifest",
            "metadata.name is missing",
        ),
        (
            Action.APPLY_MANIFEST,
            {"manifest": "{apiVersion: v1, kind: ConfigMap, metadata: {name: a/../b}}"},
            "manifest",
            "'a/../b' is no name of an object",
        ),
        (
            Action.APPLY_MANIFEST,
            {"manifest": f"{MAP}, finalizers: [a]}}"},
            "manifest",
            "ownerReferences and finalizers cannot be applied",
        ),
        (
            Action.APPLY_MANIFEST,
            {"namespace": "shop", "manifest": f"{MAP}, namespace: other}}"},
            "manifest",
            "metadata.namespace is 'other', and namespace says 'shop'",
        ),
        (
            Action.APPLY_MANIFEST,
            {"manifest": f"{MAP}, namespace: 3}}"},
            "manifest",
            "metadata.namespace is no text",
        ),
        (Action.CUSTOM, {}, "", "give either customCommand or template"),
        (Action.LABEL_RESOURCE, POD | {"labels": {"a]b": "x"}}, "labels", "'a]b' is no key"),
        (Action.LABEL_RESOURCE, POD | {"labels": {"${a}": "x"}}, "labels", "is no key"),
        (Action.LABEL_RESOURCE, POD | {"remove": ["a/b/c"]}, "remove", "is no key"),
        (Action.ANNOTATE_RESOURCE, POD | {"annotations": {"": "x"}}, "annotations", "is no key"),
        (Action.UPDATE_CONFIGMAP, {"configMap": "x", "data": {"a]b": ""}}, "data", "is no key"),
        (Action.UPDATE_CONFIGMAP, {"configMap": "x", "remove": ["a/b"]}, "remove", "is no key"),
        (Action.UPDATE_SECRET, {"secret": "x", "data": {"a: b": "YQ=="}}, "data", "is no key"),
        (Action.TAINT_NODE, NODE | {"key": "a]b"}, "key", "is no key"),
        (Action.UNTAINT_NODE, NODE | {"key": "a b"}, "key", "is no key"),
        (Action.RESTART_POD, {"selector": {"a,!b": "c"}}, "selector", "is no key"),
        (Action.RESTART_POD, {"selector": {"a": "b,c!=d"}}, "selector", "'b,c!=d' is no value"),
    ],
)
def test_what_is_wrong_is_named(
    action: Action, given: dict[str, Any], field: str, words: str
) -> None:
    ((where, why),) = _problems(action, given)

    assert where == field
    assert words in why


@pytest.mark.parametrize(
    ("action", "given"),
    [
        (Action.UPDATE_SECRET, {"secret": "x", "data": {"a": "${remediation.token}"}}),
        (Action.UPDATE_HPA, {"hpa": "x", "minReplicas": "${a}", "maxReplicas": 2}),
        (Action.LABEL_RESOURCE, POD | {"remove": ["${a}"]}),
        (Action.APPLY_MANIFEST, {"namespace": "${a}", "manifest": f"{MAP}, namespace: b}}"}),
        (Action.TAINT_NODE, NODE | {"key": "${a}"}),
        (Action.RESTART_POD, {"selector": {"a": "${a}"}}),
        (
            Action.APPLY_MANIFEST,
            {"manifest": '{apiVersion: v1, kind: ConfigMap, metadata: {name: "${a}"}}'},
        ),
    ],
)
def test_a_value_that_is_not_known_yet_is_not_judged(action: Action, given: dict[str, Any]) -> None:
    assert _problems(action, given) == []


@pytest.mark.parametrize(
    ("action", "given"),
    [
        (
            Action.LABEL_RESOURCE,
            POD | {"labels": {"app.kubernetes.io/name": ""}, "remove": ["B_c"]},
        ),
        (Action.ANNOTATE_RESOURCE, POD | {"annotations": {"Example.com/a": "any: ]thing"}}),
        (Action.UPDATE_CONFIGMAP, {"configMap": "x", "data": {"..a_B-1.yaml": ""}}),
        (Action.UNTAINT_NODE, NODE | {"key": "node.kubernetes.io/unreachable"}),
        (Action.RESTART_POD, {"selector": {"app": "web", "tier": ""}}),
    ],
)
def test_what_kubernetes_allows_is_allowed(action: Action, given: dict[str, Any]) -> None:
    assert _problems(action, given) == []


APPROVED = "kubernaut.io/approved-by"


@pytest.mark.parametrize(
    "parameters",
    [
        LabelResource(kind="Pod", name="a", labels={APPROVED: "me"}),
        AnnotateResource(kind="Pod", name="a", remove=["x.kubernaut.ai/lock"]),
        PatchDeployment(
            deployment="a", patch=f'{{"metadata": {{"annotations": {{"{APPROVED}": "me"}}}}}}'
        ),
        PatchDeployment(
            deployment="a",
            patch_type="json",
            patch='[{"op": "add", "path": "/metadata/annotations/kubernaut.io~1approved-by",'
            ' "value": "me"}]',
        ),
        ApplyManifest(
            manifest="apiVersion: v1\nkind: ConfigMap\n"
            f"metadata: {{name: a, annotations: {{{APPROVED}: me}}}}"
        ),
    ],
    ids=["label", "annotation", "merge", "json", "manifest"],
)
def test_no_step_gives_the_marks_that_people_give(parameters: ActionParameters) -> None:
    (problem,) = problems_of(parameters)

    assert "cannot be set by a step" in problem[1]


@pytest.mark.parametrize(
    "patch",
    [
        "metadata: {annotations: null}",
        "metadata: {labels: {$patch: replace, a: b}}",
        "metadata: {$patch: replace, labels: {a: b}}",
        "metadata: null",
        "metadata: some",
        "metadata: {finalizers: [a]}",
    ],
)
def test_no_patch_takes_marks_away_unseen(patch: str) -> None:
    """Nor all labels, or all annotations, at once: marks of people may be among them."""
    ((field, message),) = problems_of(PatchDeployment(deployment="a", patch=patch))

    assert field == "patch"
    assert "metadata" in message


@pytest.mark.parametrize("path", ["", "/metadata", "/metadata/annotations", "/status", "/kind"])
def test_a_json_patch_is_about_marks_and_the_spec(path: str) -> None:
    patch = json.dumps([{"op": "replace", "path": path, "value": {APPROVED: "me"}}])

    (problem,) = problems_of(PatchDeployment(deployment="a", patch_type="json", patch=patch))

    assert "cannot be patched" in problem[1]
