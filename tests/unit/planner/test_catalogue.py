"""The whole catalogue can be planned, under every spelling of its names."""

from typing import Any, Final

import msgspec
import pytest

from services.planner.core.validate import validate
from shared.api.enums import Action
from shared.api.parameters import Parameters
from shared.api.workflow_spec import Step
from shared.effects.catalogue import ALIASES, CATALOGUE, canonical
from tests.support.builders import make_workflow

TARGET: Final = {"kind": "Deployment", "name": "web"}
MANIFEST: Final = "{apiVersion: v1, kind: ConfigMap, metadata: {name: x}}"
SAMPLES: Final[dict[Action, dict[str, Any]]] = {
    Action.SCALE_DEPLOYMENT: {"deployment": "web", "replicas": 2},
    Action.SCALE_STATEFULSET: {"statefulset": "db", "replicas": 2},
    Action.RESTART_DEPLOYMENT: {"deployment": "web"},
    Action.RESTART_DAEMONSET: {"daemonset": "agent"},
    Action.UPDATE_IMAGE: {"deployment": "web", "container": "app", "newImage": "web:2"},
    Action.PATCH_DEPLOYMENT: {"deployment": "web", "patch": "spec: {minReadySeconds: 1}"},
    Action.ROLLBACK_DEPLOYMENT: {"deployment": "web", "revision": 1},
    Action.INCREASE_RESOURCES: {"deployment": "web", "memoryLimit": "1Gi"},
    Action.UPDATE_HPA: {"hpa": "web", "maxReplicas": 5},
    Action.MIGRATE_WORKLOAD: {"workload": "web", "targetNode": "n1"},
    Action.ENABLE_DEBUG_MODE: {"deployment": "web"},
    Action.ROLLOUT_STATUS: {"deployment": "web"},
    Action.RESTART_POD: {"pod": "web-1"},
    Action.DELETE_POD: {"pod": "web-1"},
    Action.QUARANTINE_POD: {"pod": "web-1"},
    Action.CORDON_NODE: {"node": "n1"},
    Action.UNCORDON_NODE: {"node": "n1"},
    Action.DRAIN_NODE: {"node": "n1"},
    Action.TAINT_NODE: {"node": "n1", "key": "a", "effect": "NoSchedule"},
    Action.UNTAINT_NODE: {"node": "n1", "key": "a", "effect": "NoSchedule"},
    Action.UPDATE_CONFIGMAP: {"configMap": "app", "data": {"a": "1"}},
    Action.UPDATE_SECRET: {"secret": "app", "valuesFrom": "new"},
    Action.ROTATE_SECRETS: {"secret": "app", "keys": ["password"]},
    Action.APPLY_MANIFEST: {"manifest": MANIFEST},
    Action.LABEL_RESOURCE: {**TARGET, "labels": {"a": "b"}},
    Action.ANNOTATE_RESOURCE: {**TARGET, "annotations": {"a": "b"}},
    Action.UPDATE_NETWORK_POLICY: {"networkpolicy": "db", "rules": "ingress: []"},
    Action.RESTART_NETWORK: {"component": "proxy"},
    Action.EXPAND_PVC: {"pvc": "data", "size": "2Gi"},
    Action.OPTIMIZE_RESOURCES: {},
    Action.RESET_SERVICE_MESH: {},
    Action.CLEANUP_STORAGE: {},
    Action.BACKUP_DATA: {"resource": "db"},
    Action.COMPACT_STORAGE: {"volume": "data"},
    Action.FAILOVER_DATABASE: {"database": "db"},
    Action.REPAIR_DATABASE: {"database": "db"},
    Action.CREATE_HEAP_DUMP: {"pod": "web-1"},
    Action.AUDIT_LOGS: {},
    Action.CUSTOM: {"template": "mine"},
    Action.WAIT_FOR_CONDITION: {"targetResource": TARGET, "condition": "Available"},
    Action.COLLECT_DIAGNOSTICS: {"targetResource": TARGET},
    Action.NOTIFY_ONLY: {"message": "hello"},
}
KEYS: Final = {each.name: each.encode_name for each in msgspec.structs.fields(Parameters)}


def _step(action: Action, spelling: str) -> Step:
    parameters = msgspec.convert({KEYS[str(action)]: SAMPLES[action]}, Parameters)
    return Step(name="a", action=spelling, parameters=parameters)


def _spellings(action: Action) -> list[str]:
    words = str(action).split("_")
    camel = "".join(word.capitalize() for word in words)
    return [str(action), "-".join(words), camel, camel[0].lower() + camel[1:]]


def test_row_102_every_name_of_the_catalogue_has_a_sample() -> None:
    assert set(SAMPLES) == set(Action) == set(CATALOGUE)


@pytest.mark.parametrize("action", list(Action), ids=str)
def test_row_102_every_action_can_be_planned(action: Action) -> None:
    assert validate(make_workflow([_step(action, str(action))])) == []


@pytest.mark.parametrize("action", list(Action), ids=str)
def test_row_103_every_spelling_means_the_same(action: Action) -> None:
    for spelling in _spellings(action):
        assert canonical(spelling) is action
        assert validate(make_workflow([_step(action, spelling)])) == []


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("ScaleDeployment", Action.SCALE_DEPLOYMENT),
        ("scale-deployment", Action.SCALE_DEPLOYMENT),
        ("rollout-restart", Action.RESTART_DEPLOYMENT),
        ("RolloutRestart", Action.RESTART_DEPLOYMENT),
        ("PatchConfigMap", Action.UPDATE_CONFIGMAP),
        ("ApplyConfigMap", Action.UPDATE_CONFIGMAP),
        ("ScaleStatefulSet", Action.SCALE_STATEFULSET),
        ("RestartDaemonSet", Action.RESTART_DAEMONSET),
        ("UpdateHPA", Action.UPDATE_HPA),
        ("ExpandPVC", Action.EXPAND_PVC),
        *((alias, action) for alias, action in ALIASES.items()),
    ],
)
def test_row_103_a_name_in_use_elsewhere_is_known(name: str, action: Action) -> None:
    assert canonical(name) is action


@pytest.mark.parametrize("name", ["", "scale deployment", "scale__deployment", "delete_cluster"])
def test_what_is_no_name_means_nothing(name: str) -> None:
    assert canonical(name) is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("patch-resource", "use patch_deployment or apply_manifest"),
        ("PatchResource", "use patch_deployment or apply_manifest"),
        ("ScaleDeploymnt", "use scale_deployment"),
        ("dance", "docs/actions.md lists the actions there are"),
        (" ", "docs/actions.md lists the actions there are"),
    ],
)
def test_row_103_who_names_no_action_is_told_which_there_are(name: str, words: str) -> None:
    (defect,) = validate(make_workflow([Step(name="a", action=name)]))

    assert defect.path == "spec.workflowDefinition.steps[a].action"
    assert words in defect.message
