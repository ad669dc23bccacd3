"""What policies see of a Deployment."""

from collections.abc import Mapping
from typing import Any, Final

from shared.errors import PermanentError

Object = Mapping[str, Any]

_CONDITIONS: Final = ("Available", "Progressing", "ReplicaFailure")
_OPERATORS: Final = {"In": "{key} in ({values})", "NotIn": "{key} notin ({values})"}
_OPERATORS_WITHOUT_VALUES: Final = {"Exists": "{key}", "DoesNotExist": "!{key}"}


def replicas(deployment: Object) -> int:
    """Return how many replicas a Deployment asks for."""
    return int(deployment["spec"].get("replicas", 1))


def pod_spec(deployment: Object) -> Object:
    """Return the spec of its pods."""
    spec: Object = deployment["spec"]["template"]["spec"]
    return spec


def pull_secrets(deployment: Object) -> list[str]:
    """Return the names of the secrets that its pods pull images with."""
    return [each["name"] for each in pod_spec(deployment).get("imagePullSecrets") or []]


def conditions(deployment: Object | None) -> dict[str, bool]:
    """Return the three conditions; what is not reported is false.

    A status that speaks of an earlier spec reports nothing.
    """
    found = dict.fromkeys(_CONDITIONS, False)
    status = (deployment or {}).get("status") or {}
    generation = ((deployment or {}).get("metadata") or {}).get("generation", 0)
    if status.get("observedGeneration", 0) < generation:
        return found
    for each in status.get("conditions") or []:
        if each["type"] in found:
            found[each["type"]] = each["status"] == "True"
    return found


def selector(deployment: Object) -> str:
    """Return the label selector of its pods, as a list request spells it.

    Raises:
        PermanentError: when it would select every pod, or cannot be spelled.
    """
    given = deployment["spec"].get("selector") or {}
    labels = [f"{key}={value}" for key, value in sorted((given.get("matchLabels") or {}).items())]
    terms = labels + [_term(each) for each in given.get("matchExpressions") or []]
    if not terms:
        raise PermanentError("NoSelector", "the Deployment selects no pods")
    return ",".join(terms)


def _term(expression: Object) -> str:
    operator = expression["operator"]
    form = _OPERATORS.get(operator) or _OPERATORS_WITHOUT_VALUES.get(operator)
    if form is None:
        raise PermanentError("NoSelector", f"unknown operator {operator!r} in a selector")
    return form.format(key=expression["key"], values=",".join(expression.get("values") or []))
