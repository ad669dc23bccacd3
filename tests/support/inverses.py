"""For each action that can be undone: random objects, and what others may change of them.

All names in a case are `NAME`; whoever uses a case gives it one that is free.
"""

import base64
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from hypothesis import strategies as st

from shared.api.enums import Action
from shared.api.groups import (
    CONFIG_MAP,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    NETWORK_POLICY,
    NODE,
    POD,
    SECRET,
    SERVICE,
    STATEFUL_SET,
    Kind,
)
from shared.api.meta import QUARANTINE_LABEL
from shared.api.parameters import ActionParameters, Parameters
from shared.effects.catalogue import parameters_of

Object = dict[str, Any]
NAME: Final = "the-name"
ENV: Final = "LOG_LEVEL"


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One act on one object."""

    action: Action
    kind: Kind
    body: Object | None
    """The object before; None where there is none."""
    parameters: Parameters
    there: Object
    """Part that holds after the act."""
    owned: Object
    """Somebody else's change of a field that the act sets."""
    beside: Object = msgspec.field(
        default_factory=lambda: {"metadata": {"labels": {"beside": "it"}}}
    )
    """Somebody else's change of another field."""
    later: Object | None = None
    """A change before the act: a second revision."""

    name: str = NAME

    @property
    def given(self) -> ActionParameters:
        """Return the parameters of the action."""
        found = parameters_of(self.action, self.parameters)
        assert found is not None
        return found

    def named(self, name: str) -> "Case":
        """Return the case with a name for everything in it."""
        text = msgspec.json.encode(self).replace(NAME.encode(), name.encode())
        return msgspec.json.decode(text, type=Case)


names: Final = st.from_regex(r"[a-z]([a-z0-9]{0,6}[a-z0-9])?", fullmatch=True)
keys: Final = st.builds(
    lambda prefix, name: f"{prefix}{name}", st.sampled_from(["", "example.com/"]), names
)
file_keys: Final = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,8}", fullmatch=True).filter(
    lambda key: not key.startswith("..")
)
label_values: Final = st.from_regex(
    r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,6}[A-Za-z0-9])?)?", fullmatch=True
)
texts: Final = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
words: Final = texts.filter(bool)
"""Of texts in lists, the API server keeps no empty ones."""
labels: Final = st.dictionaries(keys, label_values, max_size=3)
notes: Final = st.dictionaries(keys, texts, max_size=3)


def maps(values: st.SearchStrategy[str], keys_: st.SearchStrategy[str] = keys) -> Any:
    """Return maps from a few keys, so that what is set is often there already."""
    return st.dictionaries(st.one_of(st.sampled_from(["a", "b", "c"]), keys_), values, max_size=4)


@st.composite
def metadata(draw: st.DrawFn) -> Object:
    """Return labels and annotations, or none."""
    found: Object = {"name": NAME}
    for field, strategy in (("labels", labels), ("annotations", notes)):
        values = draw(st.one_of(st.none(), strategy))
        if values:
            found[field] = values
    return found


@st.composite
def containers(draw: st.DrawFn, *, most: int = 3) -> list[Object]:
    """Return containers with environment and resources, or without."""
    return [
        draw(container(name))
        for name in draw(st.lists(names, min_size=1, max_size=most, unique=True))
    ]


@st.composite
def container(draw: st.DrawFn, name: str) -> Object:
    """Return one container."""
    found: Object = {"name": name, "image": f"registry.example/{name}:1"}
    variables = draw(st.dictionaries(st.sampled_from([ENV, "A", "B_c", "x.y"]), words, max_size=3))
    if variables:
        found["env"] = [{"name": key, "value": each} for key, each in variables.items()]
    limits = draw(st.one_of(st.none(), st.sampled_from([("1", "1Gi"), ("500m", "128Mi")])))
    if limits:
        found["resources"] = {"limits": {"cpu": limits[0], "memory": limits[1]}}
    if draw(st.booleans()):
        found["ports"] = [{"name": "http", "containerPort": 8080}]
    return found


@st.composite
def workload(draw: st.DrawFn, kind: Kind, *, replicas: int = 0) -> Object:
    """Return a Deployment or StatefulSet with labels of its own on its pods."""
    own = {"app": NAME}
    template: Object = {
        "metadata": {"labels": own | draw(labels)},
        "spec": {"containers": draw(containers())},
    }
    pod_notes, selector = draw(notes), draw(st.one_of(st.none(), labels))
    if pod_notes:
        template["metadata"]["annotations"] = pod_notes
    if selector:
        template["spec"]["nodeSelector"] = selector
    spec = {"replicas": replicas, "selector": {"matchLabels": own}, "template": template}
    if kind == STATEFUL_SET:
        spec["serviceName"] = NAME
    return _object(kind, draw(metadata()), spec=spec)


def _object(kind: Kind, meta: Object, **fields: Any) -> Object:
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta, **fields}


def _parameters(action: Action, given: Mapping[str, Any]) -> Parameters:
    key = next(
        each.encode_name for each in msgspec.structs.fields(Parameters) if each.name == str(action)
    )
    return msgspec.convert({key: given}, Parameters)


def parameters_for(action: Action, given: Mapping[str, Any]) -> ActionParameters:
    """Return the parameters of an action, as they stand in a step."""
    found = parameters_of(action, _parameters(action, given))
    assert found is not None
    return found


def _in_container(name: str, **fields: Any) -> Object:
    return _in_pods({"containers": [{"name": name, **fields}]})


def _in_pods(spec: Object) -> Object:
    return {"spec": {"template": {"spec": spec}}}


@st.composite
def scaled(draw: st.DrawFn, action: Action, kind: Kind, named_by: str) -> Case:
    """Return a workload that is scaled; its pods are gone soon."""
    before, after = draw(st.permutations([0, 1, 2]))[:2]
    body = draw(workload(kind, replicas=before))
    # Its pods are to be scheduled.
    body["spec"]["template"]["spec"].pop("nodeSelector", None)
    return Case(
        action=action,
        kind=kind,
        body=body,
        parameters=_parameters(action, {named_by: NAME, "replicas": after}),
        there={"spec": {"replicas": after}},
        owned={"spec": {"replicas": 3}},
    )


@st.composite
def image(draw: st.DrawFn) -> Case:
    """Return a Deployment of which one container gets another image."""
    body = draw(workload(DEPLOYMENT))
    name = draw(st.sampled_from(_container_names(body)))
    given = {"deployment": NAME, "container": name, "newImage": "registry.example/new:2"}
    return Case(
        action=Action.UPDATE_IMAGE,
        kind=DEPLOYMENT,
        body=body,
        parameters=_parameters(Action.UPDATE_IMAGE, given),
        there=_in_container(name, image="registry.example/new:2"),
        owned=_in_container(name, image="registry.example/theirs:3"),
        beside=_in_container(name, env=[{"name": "THEIRS", "value": "1"}]),
    )


_THEIRS: Final = {"cpuLimit": "3", "memoryLimit": "3Gi", "cpuRequest": "1", "memoryRequest": "1Gi"}


@st.composite
def resources(draw: st.DrawFn) -> Case:
    """Return a Deployment of which one container gets more."""
    body = draw(workload(DEPLOYMENT))
    name = draw(st.sampled_from(_container_names(body)))
    amounts = {"cpuLimit": "2", "memoryLimit": "2Gi", "cpuRequest": "1500m", "memoryRequest": "2Gi"}
    asked = draw(st.lists(st.sampled_from(sorted(amounts)), min_size=1, unique=True))
    first = asked[0]
    resource, part = (
        first[:-5] if first.endswith("Limit") else first[:-7],
        ("limits" if first.endswith("Limit") else "requests"),
    )
    # Requests without limits would be more than the limits that are there.
    asked += [f"{each[:-7]}Limit" for each in asked if each.endswith("Request")]
    given = {"deployment": NAME, "container": name} | {each: amounts[each] for each in asked}
    return Case(
        action=Action.INCREASE_RESOURCES,
        kind=DEPLOYMENT,
        body=body,
        parameters=_parameters(Action.INCREASE_RESOURCES, given),
        there=_in_container(name, resources={part: {resource: amounts[first]}}),
        owned=_in_container(name, resources={part: {resource: _THEIRS[first]}}),
        beside=_in_container(name, image="registry.example/theirs:3"),
    )


@st.composite
def debug(draw: st.DrawFn) -> Case:
    """Return a Deployment that logs more."""
    body = draw(workload(DEPLOYMENT))
    name = draw(st.sampled_from(_container_names(body)))
    given = {"deployment": NAME, "container": name, "logLevel": "all-of-it"}
    return Case(
        action=Action.ENABLE_DEBUG_MODE,
        kind=DEPLOYMENT,
        body=body,
        parameters=_parameters(Action.ENABLE_DEBUG_MODE, given),
        there=_in_container(name, env=[{"name": ENV, "value": "all-of-it"}]),
        owned=_in_container(name, env=[{"name": ENV, "value": "nothing"}]),
        beside=_in_container(name, env=[{"name": "THEIRS", "value": "1"}]),
    )


@st.composite
def migration(draw: st.DrawFn) -> Case:
    """Return a workload that is moved to a node."""
    kind = draw(st.sampled_from([DEPLOYMENT, STATEFUL_SET]))
    given = {"workload": NAME, "kind": kind.kind, "targetNode": "node-7"}
    return Case(
        action=Action.MIGRATE_WORKLOAD,
        kind=kind,
        body=draw(workload(kind)),
        parameters=_parameters(Action.MIGRATE_WORKLOAD, given),
        there=_in_pods({"nodeSelector": {"kubernetes.io/hostname": "node-7"}}),
        owned=_in_pods({"nodeSelector": {"kubernetes.io/hostname": "node-8"}}),
        beside=_in_pods({"nodeSelector": {"theirs": "1"}}),
    )


@st.composite
def revision(draw: st.DrawFn) -> Case:
    """Return a Deployment of two revisions that goes back to the first one."""
    body, other = draw(workload(DEPLOYMENT)), draw(containers())
    first, *_ = body["spec"]["template"]["spec"]["containers"]
    added = [{"name": "added", "image": "registry.example/added:1"}, *other]
    wanted = draw(st.sampled_from([0, 1]))
    return Case(
        action=Action.ROLLBACK_DEPLOYMENT,
        kind=DEPLOYMENT,
        body=body,
        parameters=_parameters(
            Action.ROLLBACK_DEPLOYMENT, {"deployment": NAME, "revision": wanted}
        ),
        later={
            "spec": {
                "template": {
                    "metadata": {"annotations": {"second": "1"}},
                    "spec": {"containers": added, "nodeSelector": {"second": "1"}},
                }
            }
        },
        there={
            "spec": {
                "template": {
                    "metadata": {"annotations": {"second": None}},
                    "spec": {"containers": [first], "nodeSelector": {"second": None}},
                }
            }
        },
        owned=_in_pods({"nodeSelector": {"second": "theirs"}}),
    )


@st.composite
def patched(draw: st.DrawFn) -> Case:
    """Return a Deployment that is patched in one of three ways, here and there."""
    body = draw(workload(DEPLOYMENT))
    name = draw(st.sampled_from(_container_names(body)))
    form = draw(st.sampled_from(["strategic", "merge", "json"]))
    note = {"metadata": {"annotations": {"patched": "yes"}}}
    patch: Any
    match form:
        case "strategic":
            patch = _in_container(
                name,
                env=[{"name": "PATCHED", "value": "1"}],
                readinessProbe={"httpGet": {"port": 80}},
            )
            owned = _in_container(name, env=[{"name": "PATCHED", "value": "2"}])
        case "merge":
            patch = _in_pods({"terminationGracePeriodSeconds": 5, "nodeSelector": {"a": "z"}})
            owned = _in_pods({"terminationGracePeriodSeconds": 6})
        case _:
            patch = [{"op": "add", "path": "/spec/minReadySeconds", "value": 2}]
            owned = {"spec": {"minReadySeconds": 3}}
    there = {"spec": {"minReadySeconds": 2}} if form == "json" else patch
    if form != "json" and draw(st.booleans()):
        patch = there = patch | note
    given = {
        "deployment": NAME,
        "patchType": form,
        "patch": msgspec.json.encode(patch).decode(),
    }
    return Case(
        action=Action.PATCH_DEPLOYMENT,
        kind=DEPLOYMENT,
        body=body,
        parameters=_parameters(Action.PATCH_DEPLOYMENT, given),
        there=there
        if form != "strategic"
        else _in_container(name, env=[{"name": "PATCHED", "value": "1"}]),
        owned=owned,
        beside={"metadata": {"annotations": {"theirs": "1"}}},
    )


@st.composite
def autoscaler(draw: st.DrawFn) -> Case:
    """Return an autoscaler that gets other bounds."""
    fewest, most = draw(st.one_of(st.none(), st.integers(1, 3))), draw(st.integers(3, 6))
    spec: Object = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "nobody"},
        "maxReplicas": most,
    }
    if fewest:
        spec["minReplicas"] = fewest
    higher = draw(st.integers(7, 9))
    given: Object = {"hpa": NAME, "maxReplicas": higher}
    lower = draw(st.one_of(st.none(), st.integers(1, 3)))
    if lower:
        given["minReplicas"] = lower
    return Case(
        action=Action.UPDATE_HPA,
        kind=HORIZONTAL_POD_AUTOSCALER,
        body=_object(HORIZONTAL_POD_AUTOSCALER, draw(metadata()), spec=spec),
        parameters=_parameters(Action.UPDATE_HPA, given),
        there={"spec": {"maxReplicas": higher} | ({"minReplicas": lower} if lower else {})},
        owned={"spec": {"maxReplicas": 10}},
    )


@st.composite
def quarantined(draw: st.DrawFn) -> Case:
    """Return a pod that nobody runs, and that is cut off."""
    spec = {"schedulerName": "nobody", "containers": draw(containers(most=1))}
    return Case(
        action=Action.QUARANTINE_POD,
        kind=POD,
        body=_object(POD, draw(metadata()), spec=spec),
        parameters=_parameters(Action.QUARANTINE_POD, {"pod": NAME}),
        there={},
        owned={"metadata": {"labels": {QUARANTINE_LABEL: "theirs"}}},
    )


@st.composite
def node_body(draw: st.DrawFn) -> Object:
    """Return a node with taints, cordoned or not."""
    places = draw(
        st.lists(
            st.tuples(st.sampled_from(["a", "b", "example.com/c"]), effects),
            max_size=3,
            unique=True,
        )
    )
    spec: Object = {}
    if places:
        spec["taints"] = [
            {"key": key, "effect": effect, "value": draw(label_values)} for key, effect in places
        ]
    if draw(st.booleans()):
        spec["unschedulable"] = True
    return _object(NODE, draw(metadata()), spec=spec)


effects: Final = st.sampled_from(["NoSchedule", "PreferNoSchedule", "NoExecute"])
_TAINT_BESIDE: Final = {"metadata": {"labels": {"beside": "it"}}}


@st.composite
def cordoned(draw: st.DrawFn, action: Action) -> Case:
    """Return a node that is closed or opened, and was the other way before."""
    closes = action is Action.CORDON_NODE
    body = draw(node_body())
    body["spec"] = {key: each for key, each in body["spec"].items() if key != "unschedulable"}
    if not closes:
        body["spec"]["unschedulable"] = True
    return Case(
        action=action,
        kind=NODE,
        body=body,
        parameters=_parameters(action, {"node": NAME}),
        there={"spec": {"unschedulable": True if closes else None}},
        owned={},
    )


@st.composite
def tainted(draw: st.DrawFn, action: Action) -> Case:
    """Return a node that gets a taint, or loses one."""
    body = draw(node_body())
    known = body["spec"].get("taints") or []
    fresh = st.fixed_dictionaries({"key": st.sampled_from(["a", "new"]), "effect": effects})
    taint = draw(st.one_of(st.sampled_from(known), fresh) if known else fresh)
    place = {"key": taint["key"], "effect": taint["effect"]}
    if action is Action.TAINT_NODE:
        there = [place | {"value": "ours"}]
        given = {"node": NAME, "value": "ours", **place}
    else:
        if not any(place.items() <= each.items() for each in known):
            body["spec"]["taints"] = [*known, place | {"value": "theirs-before"}]
        there, given = [], {"node": NAME, **place}
    return Case(
        action=action,
        kind=NODE,
        body=body,
        parameters=_parameters(action, given),
        there={"spec": {"taints": there}} if there else {},
        owned={"spec": {"taints": [place | {"value": "theirs"}]}},
        beside={"spec": {"taints": [{"key": "beside", "effect": "NoSchedule", "value": "it"}]}},
    )


@st.composite
def config(draw: st.DrawFn) -> Case:
    """Return a ConfigMap of which keys are set and removed."""
    data, sets = draw(maps(texts, file_keys)), draw(maps(texts, file_keys))
    removed = list(draw(st.lists(st.sampled_from(["a", "b", "d"]), unique=True)))
    sets = {key: each for key, each in sets.items() if key not in removed} or {"new": "1"}
    first = min(sets)
    body = _object(CONFIG_MAP, draw(metadata()))
    if data:
        body["data"] = data
    return Case(
        action=Action.UPDATE_CONFIGMAP,
        kind=CONFIG_MAP,
        body=body,
        parameters=_parameters(
            Action.UPDATE_CONFIGMAP, {"configMap": NAME, "data": sets, "remove": removed}
        ),
        there={"data": sets | dict.fromkeys(removed)},
        owned={"data": {first: "theirs, and theirs alone"}},
        beside={"data": {"beside-it": "1"}},
    )


def encoded(text: str) -> str:
    """Return a text as it stands in a Secret."""
    return base64.b64encode(text.encode()).decode()


@st.composite
def secret_update(draw: st.DrawFn) -> Case:
    """Return a Secret of which keys are set and removed."""
    found = draw(config())
    given = found.parameters.update_configmap
    assert given is not None
    assert found.body is not None
    body = _object(SECRET, found.body["metadata"])
    if "data" in found.body:
        body["data"] = {key: encoded(each) for key, each in found.body["data"].items()}
    sets = {key: encoded(each) for key, each in given.data.items()}
    return Case(
        action=Action.UPDATE_SECRET,
        kind=SECRET,
        body=body,
        parameters=_parameters(
            Action.UPDATE_SECRET, {"secret": NAME, "data": sets, "remove": given.remove}
        ),
        there={"data": sets | dict.fromkeys(given.remove)},
        owned={"data": {min(sets): encoded("theirs, and theirs alone")}},
        beside={"data": {"beside-it": encoded("1")}},
    )


@st.composite
def rotation(draw: st.DrawFn) -> Case:
    """Return a Secret of which keys get new values."""
    data = draw(st.dictionaries(file_keys, texts, min_size=1, max_size=4))
    rotated = draw(st.lists(st.sampled_from(sorted(data)), min_size=1, unique=True))
    body = _object(
        SECRET, draw(metadata()), data={key: encoded(each) for key, each in data.items()}
    )
    return Case(
        action=Action.ROTATE_SECRETS,
        kind=SECRET,
        body=body,
        parameters=_parameters(Action.ROTATE_SECRETS, {"secret": NAME, "keys": rotated}),
        there={},
        owned={"data": {rotated[0]: encoded("theirs, and theirs alone")}},
        beside={"data": {"beside-it": encoded("1")}},
    )


@st.composite
def manifest(draw: st.DrawFn) -> Case:
    """Return a manifest of something that is there, or is not."""
    kind = draw(st.sampled_from([CONFIG_MAP, SERVICE, DEPLOYMENT]))
    wanted = draw(_wanted(kind))
    body = draw(st.one_of(st.none(), _standing(kind)))
    owned: Object
    match kind.kind:
        case "ConfigMap":
            owned = {"data": {"ours": "theirs"}}
        case "Service":
            owned = {"spec": {"sessionAffinity": "None"}}
        case _:
            owned = {"spec": {"minReadySeconds": 9}}
    text = msgspec.json.encode(wanted).decode()
    return Case(
        action=Action.APPLY_MANIFEST,
        kind=kind,
        body=body,
        parameters=_parameters(Action.APPLY_MANIFEST, {"manifest": text, "forceConflicts": True}),
        there={key: wanted[key] for key in ("metadata", "data") if key in wanted},
        owned=owned,
        beside={"metadata": {"annotations": {"beside": "it"}}},
    )


@st.composite
def _wanted(draw: st.DrawFn, kind: Kind) -> Object:
    meta = draw(metadata())
    match kind.kind:
        case "ConfigMap":
            return _object(kind, meta, data={"ours": "1"} | draw(maps(texts, file_keys)))
        case "Service":
            spec = {
                "selector": draw(labels) or {"a": "b"},
                "sessionAffinity": "ClientIP",
                "type": draw(st.sampled_from(["ClusterIP", "NodePort"])),
                "ports": [{"port": 80, "targetPort": draw(st.sampled_from([80, 8080]))}],
            }
            return _object(kind, meta, spec=spec)
        case _:
            body = draw(workload(DEPLOYMENT))
            return body | {"metadata": meta, "spec": body["spec"] | {"minReadySeconds": 4}}


@st.composite
def _standing(draw: st.DrawFn, kind: Kind) -> Object:
    match kind.kind:
        case "ConfigMap":
            return _object(kind, draw(metadata()), data={"theirs": "1"})
        case "Service":
            spec = {"selector": {"old": "1"}, "ports": [{"port": 80}]}
            return _object(kind, draw(metadata()), spec=spec)
        case _:
            return draw(workload(DEPLOYMENT))


@st.composite
def marked(draw: st.DrawFn, action: Action) -> Case:
    """Return an object that gets and loses labels or annotations."""
    field = "labels" if action is Action.LABEL_RESOURCE else "annotations"
    values = label_values if field == "labels" else texts
    kind = draw(st.sampled_from([CONFIG_MAP, SERVICE]))
    removed = draw(st.lists(st.sampled_from(["a", "b", "d"]), unique=True))
    drawn = draw(maps(values))
    sets = {key: each for key, each in drawn.items() if key not in removed} or {"new": "1"}
    body = draw(_standing(kind))
    own = draw(maps(values))
    if own:
        body["metadata"][field] = own
    given = {"kind": kind.kind, "name": NAME, field: sets, "remove": removed}
    return Case(
        action=action,
        kind=kind,
        body=body,
        parameters=_parameters(action, given),
        there={"metadata": {field: sets | dict.fromkeys(removed)}},
        owned={"metadata": {field: {min(sets): "theirs-alone"}}},
        beside={"metadata": {field: {"beside": "it"}}},
    )


@st.composite
def rules(draw: st.DrawFn) -> Case:
    """Return a NetworkPolicy that gets other rules."""
    spec: Object = {"podSelector": {"matchLabels": draw(labels)}, "policyTypes": ["Ingress"]}
    if draw(st.booleans()):
        spec["ingress"] = [{"ports": [{"port": 80}]}]
    wanted: Object = {"ingress": [{"ports": [{"port": 8080, "protocol": "TCP"}]}]}
    if draw(st.booleans()):
        wanted |= {"policyTypes": ["Ingress", "Egress"], "egress": []}
    if draw(st.booleans()):
        wanted["podSelector"] = {"matchLabels": {"ours": "1"}}
    return Case(
        action=Action.UPDATE_NETWORK_POLICY,
        kind=NETWORK_POLICY,
        body=_object(NETWORK_POLICY, draw(metadata()), spec=spec),
        parameters=_parameters(
            Action.UPDATE_NETWORK_POLICY,
            {"networkpolicy": NAME, "rules": msgspec.json.encode(wanted).decode()},
        ),
        there={"spec": {"ingress": wanted["ingress"]}},
        owned={"spec": {"ingress": [{"ports": [{"port": 9090}]}]}},
    )


def _container_names(body: Object) -> list[str]:
    return [each["name"] for each in body["spec"]["template"]["spec"]["containers"]]


CASES: Final[Mapping[Action, st.SearchStrategy[Case]]] = {
    Action.SCALE_DEPLOYMENT: scaled(Action.SCALE_DEPLOYMENT, DEPLOYMENT, "deployment"),
    Action.SCALE_STATEFULSET: scaled(Action.SCALE_STATEFULSET, STATEFUL_SET, "statefulset"),
    Action.UPDATE_IMAGE: image(),
    Action.PATCH_DEPLOYMENT: patched(),
    Action.ROLLBACK_DEPLOYMENT: revision(),
    Action.INCREASE_RESOURCES: resources(),
    Action.UPDATE_HPA: autoscaler(),
    Action.MIGRATE_WORKLOAD: migration(),
    Action.ENABLE_DEBUG_MODE: debug(),
    Action.QUARANTINE_POD: quarantined(),
    Action.CORDON_NODE: cordoned(Action.CORDON_NODE),
    Action.UNCORDON_NODE: cordoned(Action.UNCORDON_NODE),
    Action.TAINT_NODE: tainted(Action.TAINT_NODE),
    Action.UNTAINT_NODE: tainted(Action.UNTAINT_NODE),
    Action.UPDATE_CONFIGMAP: config(),
    Action.UPDATE_SECRET: secret_update(),
    Action.ROTATE_SECRETS: rotation(),
    Action.APPLY_MANIFEST: manifest(),
    Action.LABEL_RESOURCE: marked(Action.LABEL_RESOURCE),
    Action.ANNOTATE_RESOURCE: marked(Action.ANNOTATE_RESOURCE),
    Action.UPDATE_NETWORK_POLICY: rules(),
}
