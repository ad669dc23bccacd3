"""What cannot be done to a workload, to its pods or to its autoscaler."""

from typing import Final

from shared.api.enums import Action, ErrorType
from shared.api.groups import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER
from shared.kube.port import Object
from tests.support.bad_input.row import META, Row
from tests.support.bodies import object_of, text_of

SELECTOR: Final = {"spec": {"selector": {"matchLabels": {"other": "1"}}}}


def a_deployment() -> Object:
    """Return a Deployment with two containers and no pods."""
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
    return object_of(DEPLOYMENT, META, spec=spec)


def _autoscaler() -> Object:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "nobody"}
    spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 4}
    return object_of(HORIZONTAL_POD_AUTOSCALER, META, spec=spec)


WORKLOADS: Final = [
    Row(
        "nothing to scale",
        DEPLOYMENT,
        None,
        Action.SCALE_DEPLOYMENT,
        {"deployment": "NAME", "replicas": 2},
        ErrorType.RESOURCE_NOT_FOUND,
        "Deployment bad-input/NAME does not exist",
    ),
    Row(
        "a value that leads elsewhere",
        DEPLOYMENT,
        a_deployment(),
        Action.SCALE_DEPLOYMENT,
        {"deployment": "${a}/../NAME", "replicas": 2},
        ErrorType.RESOURCE_NOT_FOUND,
        "${a}/../NAME does not exist",
    ),
    Row(
        "more replicas at least than at most",
        HORIZONTAL_POD_AUTOSCALER,
        _autoscaler(),
        Action.UPDATE_HPA,
        {"hpa": "NAME", "minReplicas": 5},
        ErrorType.VALIDATION_ERROR,
        "minReplicas would be 5, more than maxReplicas 4",
    ),
    Row(
        "an unknown container",
        DEPLOYMENT,
        a_deployment(),
        Action.UPDATE_IMAGE,
        {"deployment": "NAME", "container": "db", "newImage": "db:2"},
        ErrorType.VALIDATION_ERROR,
        "Deployment NAME has no container 'db'; it has side, web",
    ),
    Row(
        "one of several containers",
        DEPLOYMENT,
        a_deployment(),
        Action.ENABLE_DEBUG_MODE,
        {"deployment": "NAME"},
        ErrorType.VALIDATION_ERROR,
        "several containers, side, web; say which one in container",
    ),
    Row(
        "less than now",
        DEPLOYMENT,
        a_deployment(),
        Action.INCREASE_RESOURCES,
        {"deployment": "NAME", "container": "web", "cpuLimit": "500m"},
        ErrorType.VALIDATION_ERROR,
        "limits.cpu is 1, more than 500m; this action only raises",
    ),
    Row(
        "more asked for than allowed",
        DEPLOYMENT,
        a_deployment(),
        Action.INCREASE_RESOURCES,
        {"deployment": "NAME", "container": "web", "cpuRequest": "2"},
        ErrorType.VALIDATION_ERROR,
        "must be less than or equal to cpu limit",
    ),
    Row(
        "the selector of a Deployment",
        DEPLOYMENT,
        a_deployment(),
        Action.PATCH_DEPLOYMENT,
        {"deployment": "NAME", "patchType": "merge", "patch": text_of(SELECTOR)},
        ErrorType.VALIDATION_ERROR,
        "Invalid value",
    ),
    Row(
        "a patch that is no YAML",
        DEPLOYMENT,
        a_deployment(),
        Action.PATCH_DEPLOYMENT,
        {"deployment": "NAME", "patch": "{{}"},
        ErrorType.VALIDATION_ERROR,
        "patch: it is no YAML",
    ),
    Row(
        "a patch that is no list",
        DEPLOYMENT,
        a_deployment(),
        Action.PATCH_DEPLOYMENT,
        {"deployment": "NAME", "patchType": "json", "patch": "spec: {}"},
        ErrorType.VALIDATION_ERROR,
        "patch: a JSON patch is a list of operations",
    ),
    Row(
        "a patch that is no object",
        DEPLOYMENT,
        a_deployment(),
        Action.PATCH_DEPLOYMENT,
        {"deployment": "NAME", "patchType": "merge", "patch": "[1]"},
        ErrorType.VALIDATION_ERROR,
        "patch: it is no object",
    ),
    Row(
        "a patch of what is not there",
        DEPLOYMENT,
        a_deployment(),
        Action.PATCH_DEPLOYMENT,
        {
            "deployment": "NAME",
            "patchType": "json",
            "patch": '[{"op": "remove", "path": "/spec/nothing"}]',
        },
        ErrorType.VALIDATION_ERROR,
        "the server rejected our request",
    ),
    Row(
        "an unknown revision",
        DEPLOYMENT,
        a_deployment(),
        Action.ROLLBACK_DEPLOYMENT,
        {"deployment": "NAME", "revision": 7},
        ErrorType.RESOURCE_NOT_FOUND,
        "Deployment NAME has no revision 7; it keeps 1",
    ),
]
