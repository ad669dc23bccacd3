"""What cannot or must not be done: which error it ends in, and that nothing is half done."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest

from services.executor.capture import Captures, mutation_of
from shared.api.enums import Action, ErrorType, ExecutionPhase
from shared.api.groups import (
    CONFIG_MAP,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    NETWORK_POLICY,
    NODE,
    PERSISTENT_VOLUME_CLAIM,
    SECRET,
    SERVICE,
    Kind,
)
from shared.api.parameters import ActionParameters, UpdateConfigmap
from shared.errors import ConflictError, PermanentError
from shared.kube.port import Object
from shared.limits import GitOps
from tests.integration.kube.conftest import Connect
from tests.support.acts import Act, Acts
from tests.support.bodies import encoded
from tests.support.kubectl import Kubectl, eventually
from tests.support.namespaces import empty_namespace
from tests.support.parameters import parameters_for
from tests.support.partial import comparable

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

POLICY: Final = "mendflow-tests-refuse"
REFUSED: Final = {"example.com/refused": "yes"}
TOO_LARGE: Final = 1_040_000
"""Bytes: nearly as large as a ConfigMap may be, and more than can be kept."""
DATA: Final[dict[str, Any]] = {"data": {"a": "1"}}


@pytest.fixture(scope="module")
def space(cluster: "LocalCluster") -> Kubectl:
    """A namespace that refuses marked ConfigMaps, and in which there may be no volumes."""
    kubectl = empty_namespace(cluster, "bad-input")
    kubectl.apply(_quota(kubectl.namespace))
    for body in _policy(kubectl.namespace):
        kubectl.apply(body)
    marked = _object(CONFIG_MAP, "probe", metadata={"labels": REFUSED})
    text = msgspec.json.encode(marked).decode()
    eventually(
        lambda: kubectl.run("create", "--dry-run=server", "-f", "-", stdin=text).stderr,
        lambda said: "not in this house" in said,
    )
    eventually(
        lambda: kubectl.get("resourcequota", "none"), lambda live: "hard" in live.get("status", {})
    )
    return kubectl


@pytest.fixture
async def acts(connect: Connect, space: Kubectl) -> Acts:
    """Steps of one workflow in that namespace."""
    ours = await connect(manager="mendflow-executor")
    return await Acts.begin(ours, await connect(manager="somebody"), space.namespace)


def _object(kind: Kind, name: str = "x", *, metadata: Object | None = None, **more: Any) -> Object:
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"name": name} | (metadata or {}),
        **more,
    }


def _quota(namespace: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none", "namespace": namespace},
        "spec": {"hard": {"services.nodeports": "0", "count/networkpolicies.networking.k8s.io": 0}},
    }


def _policy(namespace: str) -> list[Object]:
    api = "admissionregistration.k8s.io/v1"
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["configmaps"],
    }
    here = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    refusal = {
        "expression": "!has(object.metadata.labels) || !('example.com/refused' in "
        "object.metadata.labels)",
        "message": "not in this house",
    }
    return [
        {
            "apiVersion": api,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": POLICY},
            "spec": {"matchConstraints": {"resourceRules": [rule]}, "validations": [refusal]},
        },
        {
            "apiVersion": api,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": POLICY},
            "spec": {
                "policyName": POLICY,
                "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": here},
            },
        },
    ]


def _deployment() -> Object:
    pods = {
        "metadata": {"labels": {"app": "NAME"}},
        "spec": {
            "containers": [
                {"name": "web", "image": "web:1", "resources": {"limits": {"cpu": "1"}}},
                {"name": "side", "image": "side:1"},
            ]
        },
    }
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "NAME"}}, "template": pods}
    return _object(DEPLOYMENT, spec=spec)


def _claim() -> Object:
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "none",
        "resources": {"requests": {"storage": "2Gi"}},
    }
    return _object(PERSISTENT_VOLUME_CLAIM, spec=spec)


def _autoscaler() -> Object:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "nobody"}
    spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 4}
    return _object(HORIZONTAL_POD_AUTOSCALER, spec=spec)


def _service() -> Object:
    return _object(SERVICE, spec={"selector": {"a": "b"}, "ports": [{"port": 80}]})


def _text(body: Object) -> str:
    return msgspec.json.encode(body).decode()


VALIDATION: Final = ErrorType.VALIDATION_ERROR
NOT_FOUND: Final = ErrorType.RESOURCE_NOT_FOUND
CONFLICT: Final = ErrorType.RESOURCE_CONFLICT
IMMUTABLE: Final[dict[str, Any]] = DATA | {"immutable": True}
SELECTOR: Final = {"spec": {"selector": {"matchLabels": {"other": "1"}}}}
BIG: Final[dict[str, Any]] = {"data": {"big": "x" * TOO_LARGE}}
BOMB: Final = "a: &a [1]\nb: *a\n"
POLICIES: Final = _object(NETWORK_POLICY, spec={"podSelector": {}})

Row = tuple[str, Kind, Object | None, Action, Object, ErrorType, str]
ROWS: Final[list[Row]] = [
    (
        "nothing to scale",
        DEPLOYMENT,
        None,
        Action.SCALE_DEPLOYMENT,
        {"deployment": "NAME", "replicas": 2},
        NOT_FOUND,
        "Deployment bad-input/NAME does not exist",
    ),
    (
        "no such node",
        NODE,
        None,
        Action.CORDON_NODE,
        {"node": "NAME"},
        NOT_FOUND,
        "Node NAME does not exist",
    ),
    (
        "no such pod to cut off",
        CONFIG_MAP,
        None,
        Action.QUARANTINE_POD,
        {"pod": "NAME"},
        NOT_FOUND,
        "Pod bad-input/NAME does not exist",
    ),
    (
        "a smaller claim",
        PERSISTENT_VOLUME_CLAIM,
        _claim(),
        Action.EXPAND_PVC,
        {"pvc": "NAME", "size": "1Gi"},
        VALIDATION,
        "PersistentVolumeClaim NAME asks for 2Gi; it cannot become smaller",
    ),
    (
        "a claim that cannot grow",
        PERSISTENT_VOLUME_CLAIM,
        _claim(),
        Action.EXPAND_PVC,
        {"pvc": "NAME", "size": "3Gi"},
        VALIDATION,
        "spec is immutable",
    ),
    (
        "the selector of a Deployment",
        DEPLOYMENT,
        _deployment(),
        Action.PATCH_DEPLOYMENT,
        {"deployment": "NAME", "patchType": "merge", "patch": _text(SELECTOR)},
        VALIDATION,
        "Invalid value",
    ),
    (
        "an immutable ConfigMap",
        CONFIG_MAP,
        _object(CONFIG_MAP, **IMMUTABLE),
        Action.UPDATE_CONFIGMAP,
        {"configMap": "NAME", "data": {"a": "2"}},
        VALIDATION,
        "ConfigMap NAME is immutable; make another one instead",
    ),
    (
        "an immutable Secret",
        SECRET,
        _object(SECRET, data={"a": encoded("1")}, immutable=True),
        Action.ROTATE_SECRETS,
        {"secret": "NAME", "keys": ["a"]},
        VALIDATION,
        "Secret NAME is immutable; make another one instead",
    ),
    (
        "a manifest of an immutable field",
        SERVICE,
        _service(),
        Action.APPLY_MANIFEST,
        {
            "manifest": _text(_object(SERVICE, "NAME", spec={"clusterIP": "10.9.9.9"})),
            "forceConflicts": True,
        },
        VALIDATION,
        "clusterIP",
    ),
    (
        "a policy against it",
        CONFIG_MAP,
        _object(CONFIG_MAP, **DATA),
        Action.LABEL_RESOURCE,
        {"kind": "ConfigMap", "name": "NAME", "labels": REFUSED},
        VALIDATION,
        "not in this house",
    ),
    (
        "a policy against making it",
        CONFIG_MAP,
        None,
        Action.APPLY_MANIFEST,
        {"manifest": _text(_object(CONFIG_MAP, "NAME", metadata={"labels": REFUSED}))},
        VALIDATION,
        "not in this house",
    ),
    (
        "more than the quota",
        NETWORK_POLICY,
        None,
        Action.APPLY_MANIFEST,
        {"manifest": _text(_object(NETWORK_POLICY, "NAME", spec={"podSelector": {}}))},
        ErrorType.RESOURCE_QUOTA_EXCEEDED,
        "exceeded quota: none",
    ),
    (
        "more than can be kept",
        CONFIG_MAP,
        _object(CONFIG_MAP, **BIG),
        Action.UPDATE_CONFIGMAP,
        {"configMap": "NAME", "remove": ["big"]},
        VALIDATION,
        "more than the 1000000 that can be kept to undo the change; make smaller changes",
    ),
    (
        "a field of another manager",
        CONFIG_MAP,
        _object(CONFIG_MAP, **DATA),
        Action.APPLY_MANIFEST,
        {"manifest": _text(_object(CONFIG_MAP, "NAME", data={"a": "2"}))},
        CONFLICT,
        'conflict with "somebody"',
    ),
    (
        "a field that nobody knows",
        CONFIG_MAP,
        _object(CONFIG_MAP, **DATA),
        Action.APPLY_MANIFEST,
        {"manifest": _text(_object(CONFIG_MAP, "NAME", spec={}))},
        VALIDATION,
        ".spec: field not declared in schema",
    ),
    (
        "no YAML",
        CONFIG_MAP,
        None,
        Action.APPLY_MANIFEST,
        {"manifest": "a: [1"},
        VALIDATION,
        "manifest: it is no YAML: line 1",
    ),
    (
        "aliases",
        CONFIG_MAP,
        None,
        Action.APPLY_MANIFEST,
        {"manifest": BOMB},
        VALIDATION,
        "manifest: it is no YAML: line 2: aliases are not allowed",
    ),
    (
        "a name that leads elsewhere",
        CONFIG_MAP,
        None,
        Action.APPLY_MANIFEST,
        {"manifest": _text(_object(CONFIG_MAP, "../secrets/NAME"))},
        VALIDATION,
        "is no name of an object",
    ),
    (
        "a value that leads elsewhere",
        DEPLOYMENT,
        _deployment(),
        Action.SCALE_DEPLOYMENT,
        {"deployment": "${a}/../NAME", "replicas": 2},
        NOT_FOUND,
        "${a}/../NAME does not exist",
    ),
    (
        "a kind that gives rights",
        CONFIG_MAP,
        None,
        Action.APPLY_MANIFEST,
        {"manifest": "kind: ClusterRole\nmetadata: {name: x}"},
        VALIDATION,
        "manifest: kind 'ClusterRole' cannot be applied",
    ),
    (
        "a manifest that is none",
        DEPLOYMENT,
        None,
        Action.APPLY_MANIFEST,
        {"manifest": _text(_object(DEPLOYMENT, "NAME", spec={"replicas": 1}))},
        VALIDATION,
        "spec.selector",
    ),
    (
        "a patch that is no YAML",
        DEPLOYMENT,
        _deployment(),
        Action.PATCH_DEPLOYMENT,
        {"deployment": "NAME", "patch": "{{}"},
        VALIDATION,
        "patch: it is no YAML",
    ),
    (
        "a patch that is no list",
        DEPLOYMENT,
        _deployment(),
        Action.PATCH_DEPLOYMENT,
        {"deployment": "NAME", "patchType": "json", "patch": "spec: {}"},
        VALIDATION,
        "patch: a JSON patch is a list of operations",
    ),
    (
        "a patch that is no object",
        DEPLOYMENT,
        _deployment(),
        Action.PATCH_DEPLOYMENT,
        {"deployment": "NAME", "patchType": "merge", "patch": "[1]"},
        VALIDATION,
        "patch: it is no object",
    ),
    (
        "a patch of what is not there",
        DEPLOYMENT,
        _deployment(),
        Action.PATCH_DEPLOYMENT,
        {
            "deployment": "NAME",
            "patchType": "json",
            "patch": '[{"op": "remove", "path": "/spec/nothing"}]',
        },
        VALIDATION,
        "the server rejected our request",
    ),
    (
        "rules that are no object",
        NETWORK_POLICY,
        None,
        Action.UPDATE_NETWORK_POLICY,
        {"networkpolicy": "NAME", "rules": "[]"},
        VALIDATION,
        "rules: it is no object",
    ),
    (
        "an unknown container",
        DEPLOYMENT,
        _deployment(),
        Action.UPDATE_IMAGE,
        {"deployment": "NAME", "container": "db", "newImage": "db:2"},
        VALIDATION,
        "Deployment NAME has no container 'db'; it has side, web",
    ),
    (
        "one of several containers",
        DEPLOYMENT,
        _deployment(),
        Action.ENABLE_DEBUG_MODE,
        {"deployment": "NAME"},
        VALIDATION,
        "several containers, side, web; say which one in container",
    ),
    (
        "less than now",
        DEPLOYMENT,
        _deployment(),
        Action.INCREASE_RESOURCES,
        {"deployment": "NAME", "container": "web", "cpuLimit": "500m"},
        VALIDATION,
        "limits.cpu is 1, more than 500m; this action only raises",
    ),
    (
        "more asked for than allowed",
        DEPLOYMENT,
        _deployment(),
        Action.INCREASE_RESOURCES,
        {"deployment": "NAME", "container": "web", "cpuRequest": "2"},
        VALIDATION,
        "must be less than or equal to cpu limit",
    ),
    (
        "an unknown revision",
        DEPLOYMENT,
        _deployment(),
        Action.ROLLBACK_DEPLOYMENT,
        {"deployment": "NAME", "revision": 7},
        NOT_FOUND,
        "Deployment NAME has no revision 7; it keeps 1",
    ),
    (
        "more replicas at least than at most",
        HORIZONTAL_POD_AUTOSCALER,
        _autoscaler(),
        Action.UPDATE_HPA,
        {"hpa": "NAME", "minReplicas": 5},
        VALIDATION,
        "minReplicas would be 5, more than maxReplicas 4",
    ),
    (
        "values from nowhere",
        SECRET,
        _object(SECRET, data={"a": encoded("1")}),
        Action.UPDATE_SECRET,
        {"secret": "NAME", "valuesFrom": "nowhere"},
        NOT_FOUND,
        "there is no Secret nowhere to copy values from",
    ),
    (
        "a value that is not encoded",
        SECRET,
        _object(SECRET, data={"a": encoded("1")}),
        Action.UPDATE_SECRET,
        {"secret": "NAME", "data": {"a": "not base64!"}},
        VALIDATION,
        "data[a]: it is no base64; encode the value",
    ),
    (
        "an unknown key",
        SECRET,
        _object(SECRET, data={"a": encoded("1")}),
        Action.ROTATE_SECRETS,
        {"secret": "NAME", "keys": ["a", "b"]},
        VALIDATION,
        "Secret NAME has no b; name keys that it has",
    ),
    (
        "a key that is none",
        CONFIG_MAP,
        _object(CONFIG_MAP, **DATA),
        Action.UPDATE_CONFIGMAP,
        {"configMap": "NAME", "data": {"a b": "1"}},
        VALIDATION,
        "data: 'a b' is no key",
    ),
    (
        "a mark of the services",
        CONFIG_MAP,
        _object(CONFIG_MAP, **DATA),
        Action.ANNOTATE_RESOURCE,
        {"kind": "ConfigMap", "name": "NAME", "remove": ["kubernaut.ai/locked-by"]},
        VALIDATION,
        "cannot be set by a step",
    ),
]


@pytest.mark.parametrize(("row"), ROWS, ids=[row[0].replace(" ", "-") for row in ROWS])
async def test_a_step_that_cannot_be_done_says_why_and_changes_nothing(
    row: Row, acts: Acts
) -> None:
    _, kind, body, action, given, error, words = row
    name = acts.fresh_name()
    if body is not None:
        await acts.make(kind, _named(body, name))
        if kind is DEPLOYMENT:
            await _seen(acts, name)
    before = await acts.read(kind, name)

    act = await acts.act(action, parameters_for(action, _named(given, name)))

    _failed(act, error, words.replace("NAME", name).replace("bad-input", acts.namespace))
    after = await acts.read(kind, name)
    assert _kept_as_it_is(before) == _kept_as_it_is(after)
    assert act.execution.status.effects == []


async def test_negative_replicas_are_refused_by_the_definition(acts: Acts) -> None:
    given = parameters_for(Action.SCALE_DEPLOYMENT, {"deployment": "x", "replicas": 1})

    with pytest.raises(PermanentError, match="replicas"):
        await acts.order(Action.SCALE_DEPLOYMENT, msgspec.structs.replace(given, replicas=-1))


Between = Callable[[Acts, str], Awaitable[Object]]


async def _replace(acts: Acts, name: str) -> Object:
    await acts.remove(CONFIG_MAP, name)
    return await acts.make(CONFIG_MAP, _object(CONFIG_MAP, name, **DATA))


async def _take(acts: Acts, name: str) -> Object:
    return await acts.change(CONFIG_MAP, name, {"data": {"a": "theirs"}})


@pytest.mark.parametrize(
    ("between", "words"),
    [(_replace, "was replaced by another"), (_take, "somebody changed data.a at the same time")],
    ids=["another object", "another value"],
)
async def test_what_changes_between_capture_and_act_is_left_alone(
    between: Between, words: str, acts: Acts
) -> None:
    name = acts.fresh_name()
    await acts.make(CONFIG_MAP, _object(CONFIG_MAP, name, **DATA))
    wanted = UpdateConfigmap(config_map=name, data={"a": "2"})
    act = await (await acts.order(Action.UPDATE_CONFIGMAP, wanted)).claim()
    theirs = await between(acts, name)

    await act.carry_out()

    _failed(act, CONFLICT, words)
    assert await acts.read(CONFIG_MAP, name) == theirs
    assert act.execution.status.effects == []


async def test_a_json_patch_of_what_has_moved_since_is_to_be_looked_at_again(acts: Acts) -> None:
    name = acts.fresh_name()
    body = msgspec.json.decode(_text(_deployment()).replace("NAME", name))
    await acts.make(DEPLOYMENT, body | {"metadata": {"name": name}})
    patch = '[{"op": "add", "path": "/spec/minReadySeconds", "value": 3}]'
    given = {"deployment": name, "patchType": "json", "patch": patch}
    act = await acts.order(Action.PATCH_DEPLOYMENT, parameters_for(Action.PATCH_DEPLOYMENT, given))
    stale, mutation = await acts.read(DEPLOYMENT, name), mutation_of(act.execution)
    assert mutation is not None
    await acts.change(DEPLOYMENT, name, {"metadata": {"labels": {"moved": "yes"}}})
    context = acts.context
    captures = Captures(acts.cluster, context.executions, clock=context.clock, gitops=GitOps.REFUSE)

    with pytest.raises(ConflictError):
        await captures.inverse(act.execution, mutation, stale)


async def test_what_a_manifest_made_and_somebody_replaced_is_not_deleted(acts: Acts) -> None:
    name = acts.fresh_name()
    act = await acts.act(Action.APPLY_MANIFEST, _manifest(name, {"a": "2"}))
    assert act.execution.status.phase is ExecutionPhase.COMPLETED, act.execution.status
    await acts.remove(CONFIG_MAP, name)
    theirs = await acts.make(CONFIG_MAP, _object(CONFIG_MAP, name, data={"a": "2"}))

    undo = await act.undone()

    assert undo.status.phase is ExecutionPhase.FAILED
    assert "was replaced by another" in undo.status.message
    assert await acts.read(CONFIG_MAP, name) == theirs


async def test_fields_of_others_are_taken_over_when_asked_for(acts: Acts) -> None:
    name = acts.fresh_name()
    await acts.make(CONFIG_MAP, _object(CONFIG_MAP, name, **DATA))

    act = await acts.act(Action.APPLY_MANIFEST, _manifest(name, {"a": "2"}, force=True))

    assert act.execution.status.phase is ExecutionPhase.COMPLETED, act.execution.status
    live = await acts.read(CONFIG_MAP, name)
    assert live is not None
    assert live["data"] == {"a": "2"}


@pytest.mark.parametrize("value", ["\U0001f680", "\x7f\x98\u2028\ufeff", "\u00e9\n\t\"'\\"])
async def test_every_character_of_a_manifest_arrives(value: str, acts: Acts) -> None:
    name = acts.fresh_name()
    await acts.make(CONFIG_MAP, _object(CONFIG_MAP, name))

    act = await acts.act(Action.APPLY_MANIFEST, _manifest(name, {"a": value}))

    live = await acts.read(CONFIG_MAP, name)
    assert live is not None
    assert live.get("data") == {"a": value}, act.execution.status


async def test_what_we_wrote_ourselves_stands_in_no_manifests_way(acts: Acts) -> None:
    name = acts.fresh_name()
    await acts.act(Action.APPLY_MANIFEST, _manifest(name, {"a": "2"}))
    act = await acts.act(Action.APPLY_MANIFEST, _manifest(name, {"a": "3"}))
    assert act.execution.status.phase is ExecutionPhase.COMPLETED, act.execution.status
    undo = await act.undone()
    assert undo.status.phase is ExecutionPhase.COMPLETED, undo.status

    again = await acts.act(Action.APPLY_MANIFEST, _manifest(name, {"a": "4"}))

    assert again.execution.status.phase is ExecutionPhase.COMPLETED, again.execution.status.message


async def test_a_lost_secret_with_the_state_before_is_named(acts: Acts) -> None:
    name = acts.fresh_name()
    await acts.make(SECRET, _object(SECRET, name, data={"a": encoded("1")}))
    rotate = parameters_for(Action.ROTATE_SECRETS, {"secret": name, "keys": ["a"]})
    act = await acts.act(Action.ROTATE_SECRETS, rotate)
    kept, before = act.captured.kept_in, await acts.read(SECRET, name)
    await acts.remove(SECRET, kept)

    undo = await act.undone()

    assert undo.status.phase is ExecutionPhase.FAILED
    assert undo.status.message == f"Secret {kept} with the state before is gone"
    assert await acts.read(SECRET, name) == before


def _manifest(name: str, data: dict[str, str], *, force: bool = False) -> ActionParameters:
    text = _text(_object(CONFIG_MAP, name, data=data))
    given = {"manifest": text, "forceConflicts": force}
    return parameters_for(Action.APPLY_MANIFEST, given)


def _failed(act: Act, error: ErrorType, words: str) -> None:
    status = act.execution.status
    assert status.execution_results is not None
    assert status.phase is ExecutionPhase.FAILED, status
    assert words in status.message
    assert status.execution_results.error_type is error


def _named(body: Object, name: str) -> Object:
    text = msgspec.json.encode(body).replace(b"NAME", name.encode())
    found: Object = msgspec.json.decode(text)
    if "metadata" in found:
        found["metadata"]["name"] = name
    return found


async def _seen(acts: Acts, name: str) -> None:
    """Wait until the controller has numbered the first revision."""
    while True:
        live = await acts.read(DEPLOYMENT, name)
        if live is not None and "annotations" in live["metadata"]:
            return


def _kept_as_it_is(live: Object | None) -> Object | None:
    """Return what nobody but controllers may have changed."""
    by_controllers = {DEPLOYMENT.kind, HORIZONTAL_POD_AUTOSCALER.kind}
    return comparable(live) if live is not None and live["kind"] in by_controllers else live
