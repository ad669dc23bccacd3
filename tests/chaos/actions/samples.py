"""For every action that changes one object: something to change, and parameters to do it with."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from deploy.local.nodes import is_usable
from shared.api.enums import Action
from shared.api.groups import (
    CONFIG_MAP,
    DAEMON_SET,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    NETWORK_POLICY,
    NODE,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    POD_TEMPLATE,
    SECRET,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    Kind,
)
from shared.api.parameters import (
    ActionParameters,
    AnnotateResource,
    ApplyManifest,
    CordonNode,
    Custom,
    DeletePod,
    DrainNode,
    EnableDebugMode,
    ExpandPvc,
    IncreaseResources,
    LabelResource,
    MigrateWorkload,
    PatchDeployment,
    QuarantinePod,
    RestartDaemonset,
    RestartDeployment,
    RestartNetwork,
    RestartPod,
    RollbackDeployment,
    RotateSecrets,
    ScaleDeployment,
    ScaleStatefulset,
    TaintNode,
    UncordonNode,
    UntaintNode,
    UpdateConfigmap,
    UpdateHpa,
    UpdateImage,
    UpdateNetworkPolicy,
    UpdateSecret,
)
from tests.support.dying import Death, When

Object = dict[str, Any]

VOLUME: Final = Kind(
    group="", version="v1", kind="PersistentVolume", plural="persistentvolumes", namespaced=False
)
STORAGE_CLASS: Final = Kind(
    group="storage.k8s.io",
    version="v1",
    kind="StorageClass",
    plural="storageclasses",
    namespaced=False,
)
_KINDS: Final = {
    kind.kind: kind
    for kind in (
        CONFIG_MAP,
        DAEMON_SET,
        DEPLOYMENT,
        HORIZONTAL_POD_AUTOSCALER,
        NETWORK_POLICY,
        NODE,
        PERSISTENT_VOLUME_CLAIM,
        POD,
        POD_TEMPLATE,
        SECRET,
        SERVICE_ACCOUNT,
        STATEFUL_SET,
        VOLUME,
        STORAGE_CLASS,
    )
}
THIS: Final = "this-one"
"""Stands for the name of the target."""
SYSTEM: Final = "kube-system"
SHARED: Final = (STORAGE_CLASS, SERVICE_ACCOUNT)
"""Kinds of what all targets have in common."""
_CLASS: Final = "growing"
_NOWHERE: Final = {"killed-actions": "nowhere"}
_KEPT_EMPTY: Final = {"key": "killed-actions", "value": "", "effect": "NoSchedule"}


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One action on one object."""

    action: Action
    parameters: ActionParameters
    objects: list[Object] = []
    """What there is before, in the order in which it is made."""
    then: list[Object] = []
    """Patches of the first of them before the step, each after the other has settled."""
    variant: str = ""
    meanwhile: Object = {}
    """What another workflow changes that holds the target; nothing where none is tried."""
    random: bool = False
    """Whether values are drawn, so that no two runs end alike."""
    replaced: bool = False
    """Whether the target ends as it was, since something else has taken its place."""

    @property
    def name(self) -> str:
        """Return what it is called: a part of the names of objects."""
        return str(self.action).replace("_", "-") + self.variant

    def objects_for(self, name: str) -> list[Object]:
        """Return the objects for a target of that name."""
        return [_named(each, name) for each in self.objects]

    def parameters_for(self, name: str) -> ActionParameters:
        """Return the parameters for a target of that name."""
        given = _named(msgspec.to_builtins(self.parameters), name)
        found: ActionParameters = msgspec.convert(given, type(self.parameters))
        return found


def kind_of(body: Object) -> Kind:
    """Return the kind of a manifest."""
    return _KINDS[body["kind"]]


def is_ready(live: Object) -> bool:
    """Return whether an object that was just made is what steps usually find."""
    status, meta = live.get("status", {}), live["metadata"]
    match live["kind"]:
        case "Deployment" | "StatefulSet":
            settled = status.get("observedGeneration", 0) >= meta["generation"]
            ready: int = status.get("readyReplicas", 0)
            return bool(settled and ready == live["spec"]["replicas"])
        case "DaemonSet":
            return bool(status.get("observedGeneration", 0) >= meta["generation"])
        case "Pod":
            return bool(status.get("phase") == "Running")
        case "PersistentVolumeClaim":
            return bool(status.get("phase") == "Bound")
        case "Node":
            return is_usable(live | {"spec": {"taints": _of_the_start(live)}})
        case _:
            return True


def _of_the_start(node: Object) -> list[Object]:
    taints = node["spec"].get("taints", [])
    return [each for each in taints if each["key"] == "node.kubernetes.io/not-ready"]


def _named(body: Any, name: str) -> Any:
    return json.loads(json.dumps(body).replace(THIS, name))


def _object(kind: Kind, **body: Any) -> Object:
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": THIS}} | body


def _workload(kind: Kind, **spec: Any) -> Object:
    labels = {"app": THIS}
    pod = {"containers": [{"name": "app", "image": "registry.example/web:1"}]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return _object(kind, spec={"selector": {"matchLabels": labels}, "template": template} | spec)


def _daemon_set(**placed: str) -> Object:
    """Return one that has a place nowhere, so that its rollouts end at once."""
    body = _workload(DAEMON_SET)
    body["spec"]["template"]["spec"]["nodeSelector"] = _NOWHERE
    return body | {"metadata": {"name": THIS, "labels": {"app": THIS}, **placed}}


def _node(**spec: Any) -> Object:
    return _object(NODE, spec={"taints": [_KEPT_EMPTY]} | spec)


def _claim() -> list[Object]:
    size = {"storage": "10Gi"}
    bound = {"accessModes": ["ReadWriteOnce"], "storageClassName": _CLASS}
    by_hand = {"provisioner": "example.com/by-hand", "allowVolumeExpansion": True}
    return [
        _object(STORAGE_CLASS, **by_hand) | {"metadata": {"name": _CLASS}},
        _object(VOLUME, spec=bound | {"capacity": size, "hostPath": {"path": "/srv"}}),
        _object(
            PERSISTENT_VOLUME_CLAIM,
            spec=bound | {"volumeName": THIS, "resources": {"requests": {"storage": "1Gi"}}},
        ),
    ]


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _manifest(**data: str) -> str:
    return json.dumps(_object(CONFIG_MAP, data=data))


_EMPTY: Final = [_workload(DEPLOYMENT, replicas=0)]
"""Its rollouts end as soon as its controller has seen them."""
_CONFIG: Final = [_object(CONFIG_MAP, data={"a": "1", "b": "2"})]
_SECRET: Final = [_object(SECRET, data={"a": _encoded("one"), "b": _encoded("two")})]
_POD: Final = _object(
    POD,
    spec={
        "automountServiceAccountToken": False,
        "containers": [{"name": "app", "image": "registry.example/web:1"}],
    },
)


def _pod_on_node(number: int) -> Object:
    tolerant = {"nodeName": THIS, "tolerations": [{"operator": "Exists"}]}
    body = _POD | {"spec": _POD["spec"] | tolerant}
    return body | {"metadata": {"name": f"{THIS}-{number}"}}


_POLICY: Final = _object(NETWORK_POLICY, spec={"podSelector": {}, "policyTypes": ["Ingress"]})
_BOUNDS: Final = {"apiVersion": "apps/v1", "kind": "Deployment", "name": THIS}
_AUTOSCALER: Final = _object(
    HORIZONTAL_POD_AUTOSCALER,
    spec={"minReplicas": 1, "maxReplicas": 3, "scaleTargetRef": _BOUNDS},
)
_OTHER: Final = {"key": "spot", "value": "yes", "effect": "PreferNoSchedule"}

_ACCOUNT: Final = {
    "apiVersion": "v1",
    "kind": "ServiceAccount",
    "metadata": {"name": "mendflow-job"},
}


def _template(**placed: Any) -> Object:
    pod = {"containers": [{"name": "fix", "image": "registry.example/fix:1"}], **placed}
    return _object(POD_TEMPLATE, template={"spec": pod})


_CUSTOM: Final = Sample(
    action=Action.CUSTOM,
    parameters=Custom(template=THIS, config={"SITE": "here"}),
    objects=[_ACCOUNT, _template()],
    replaced=True,
)
_ENDLESS: Final = msgspec.structs.replace(
    _CUSTOM, variant="-endless", objects=[_ACCOUNT, _template(nodeSelector=_NOWHERE)]
)
_DRAIN: Final = Sample(
    action=Action.DRAIN_NODE,
    parameters=DrainNode(node=THIS, force=True),
    objects=[_node(), _pod_on_node(1), _pod_on_node(2)],
)
_QUARANTINE: Final = Sample(
    action=Action.QUARANTINE_POD, parameters=QuarantinePod(pod=THIS), objects=[_POD]
)
SAMPLES: Final[Sequence[Sample]] = (
    Sample(
        action=Action.SCALE_DEPLOYMENT,
        parameters=ScaleDeployment(deployment=THIS, replicas=0),
        objects=[_workload(DEPLOYMENT, replicas=1)],
        meanwhile={"spec": {"replicas": 2}},
    ),
    Sample(
        action=Action.SCALE_STATEFULSET,
        parameters=ScaleStatefulset(statefulset=THIS, replicas=0),
        objects=[_workload(STATEFUL_SET, replicas=1, serviceName=THIS)],
    ),
    Sample(
        action=Action.UPDATE_HPA,
        parameters=UpdateHpa(hpa=THIS, max_replicas=7),
        objects=[_AUTOSCALER],
        meanwhile={"spec": {"maxReplicas": 5}},
    ),
    Sample(
        action=Action.RESTART_DEPLOYMENT,
        parameters=RestartDeployment(deployment=THIS),
        objects=_EMPTY,
    ),
    Sample(
        action=Action.RESTART_DAEMONSET,
        parameters=RestartDaemonset(daemonset=THIS),
        objects=[_daemon_set()],
    ),
    Sample(
        action=Action.RESTART_NETWORK,
        parameters=RestartNetwork(component=THIS),
        objects=[_daemon_set(namespace=SYSTEM)],
    ),
    Sample(
        action=Action.UPDATE_IMAGE,
        parameters=UpdateImage(
            deployment=THIS, container="app", new_image="registry.example/web:2"
        ),
        objects=_EMPTY,
    ),
    Sample(
        action=Action.INCREASE_RESOURCES,
        parameters=IncreaseResources(deployment=THIS, memory_limit="256Mi"),
        objects=_EMPTY,
    ),
    Sample(
        action=Action.ENABLE_DEBUG_MODE,
        parameters=EnableDebugMode(deployment=THIS),
        objects=_EMPTY,
    ),
    Sample(
        action=Action.MIGRATE_WORKLOAD,
        parameters=MigrateWorkload(workload=THIS, target_node="node-0"),
        objects=_EMPTY,
    ),
    Sample(
        action=Action.PATCH_DEPLOYMENT,
        parameters=PatchDeployment(deployment=THIS, patch='{"spec": {"minReadySeconds": 3}}'),
        objects=_EMPTY,
    ),
    Sample(
        action=Action.ROLLBACK_DEPLOYMENT,
        parameters=RollbackDeployment(deployment=THIS),
        objects=_EMPTY,
        then=[{"spec": {"template": {"metadata": {"labels": {"version": "2"}}}}}],
    ),
    Sample(action=Action.CORDON_NODE, parameters=CordonNode(node=THIS), objects=[_node()]),
    Sample(
        action=Action.UNCORDON_NODE,
        parameters=UncordonNode(node=THIS),
        objects=[_node()],
        then=[{"spec": {"unschedulable": True}}],
    ),
    _DRAIN,
    Sample(
        action=Action.TAINT_NODE,
        parameters=TaintNode(node=THIS, key="spot", effect="PreferNoSchedule"),
        objects=[_node()],
    ),
    Sample(
        action=Action.UNTAINT_NODE,
        parameters=UntaintNode(node=THIS, key="spot", effect="PreferNoSchedule"),
        objects=[_node(taints=[_KEPT_EMPTY, _OTHER])],
    ),
    Sample(
        action=Action.UPDATE_CONFIGMAP,
        parameters=UpdateConfigmap(config_map=THIS, data={"a": "9", "c": "3"}, remove=["b"]),
        objects=_CONFIG,
        meanwhile={"data": {"a": "5"}},
    ),
    Sample(
        action=Action.UPDATE_SECRET,
        parameters=UpdateSecret(secret=THIS, data={"a": _encoded("nine")}, remove=["b"]),
        objects=_SECRET,
    ),
    Sample(
        action=Action.ROTATE_SECRETS,
        parameters=RotateSecrets(secret=THIS, keys=["a"]),
        objects=_SECRET,
        meanwhile={"data": {"a": _encoded("five")}},
        random=True,
    ),
    Sample(
        action=Action.APPLY_MANIFEST,
        variant="-change",
        parameters=ApplyManifest(manifest=_manifest(c="3")),
        objects=_CONFIG,
    ),
    Sample(
        action=Action.APPLY_MANIFEST,
        variant="-new",
        parameters=ApplyManifest(manifest=_manifest(a="1")),
    ),
    Sample(
        action=Action.LABEL_RESOURCE,
        parameters=LabelResource(kind="ConfigMap", name=THIS, labels={"tier": "web"}),
        objects=_CONFIG,
    ),
    Sample(
        action=Action.ANNOTATE_RESOURCE,
        parameters=AnnotateResource(
            kind="ConfigMap", name=THIS, annotations={"example.com/team": "web"}
        ),
        objects=_CONFIG,
    ),
    _CUSTOM,
    Sample(action=Action.DELETE_POD, parameters=DeletePod(pod=THIS), objects=[_POD]),
    Sample(
        action=Action.RESTART_POD,
        parameters=RestartPod(pod=f"{THIS}-0"),
        objects=[_workload(STATEFUL_SET, replicas=1, serviceName=THIS)],
        replaced=True,
    ),
    _QUARANTINE,
    Sample(
        action=Action.UPDATE_NETWORK_POLICY,
        parameters=UpdateNetworkPolicy(networkpolicy=THIS, rules="policyTypes: [Egress]"),
        objects=[_POLICY],
    ),
    Sample(
        action=Action.EXPAND_PVC,
        parameters=ExpandPvc(pvc=THIS, size="2Gi"),
        objects=_claim(),
    ),
)
_KEPT: Final = Death(at=2, when=When.AFTER, of="PATCH kubernetesexecutions/status")
"""The claim is written, and after it what is going to be done, or was."""
HALVES: Final[Mapping[str, tuple[Sample, Death]]] = {
    "cordoned": (_DRAIN, _KEPT),
    "closed": (_QUARANTINE, Death(at=1, when=When.AFTER, of="POST networkpolicies")),
    "begun": (_ENDLESS, _KEPT),
}
"""Actions of more than one change, and where an attempt of them is half done."""
