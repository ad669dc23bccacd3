"""Which objects a list request is to return, as its label selector spells it.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#api
"""

from collections.abc import Mapping
from typing import Any, Final

from shared.errors import PermanentError

_OPERATORS: Final = {"In": "{key} in ({values})", "NotIn": "{key} notin ({values})"}
_OPERATORS_WITHOUT_VALUES: Final = {"Exists": "{key}", "DoesNotExist": "!{key}"}


def labels_query(labels: Mapping[str, str]) -> str:
    """Return the query for objects that have all these labels."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def pods_query(workload: Mapping[str, Any]) -> str:
    """Return the query for what a workload selects.

    Raises:
        PermanentError: when it would select every pod, or cannot be spelled.
    """
    given = workload["spec"].get("selector") or {}
    terms = [labels_query(given.get("matchLabels") or {})]
    terms += [_term(each) for each in given.get("matchExpressions") or []]
    query = ",".join(filter(None, terms))
    if not query:
        raise PermanentError(
            "NoSelector", f"the {workload.get('kind', 'workload')} selects no pods"
        )
    return query


def _term(expression: Mapping[str, Any]) -> str:
    operator = expression["operator"]
    form = _OPERATORS.get(operator) or _OPERATORS_WITHOUT_VALUES.get(operator)
    if form is None:
        raise PermanentError("NoSelector", f"unknown operator {operator!r} in a selector")
    return form.format(key=expression["key"], values=",".join(expression.get("values") or []))
