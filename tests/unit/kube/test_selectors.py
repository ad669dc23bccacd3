"""How selectors are spelled in a list request."""

from typing import Any

import pytest

from shared.errors import PermanentError
from shared.kube.selectors import labels_query, pods_query


def _asking(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    ("selector", "query"),
    [
        pytest.param({"matchLabels": {"b": "2", "a": "1"}}, "a=1,b=2", id="labels"),
        pytest.param({"matchExpressions": [_asking("a", "In", "x", "y")]}, "a in (x,y)", id="in"),
        pytest.param({"matchExpressions": [_asking("a", "NotIn", "x")]}, "a notin (x)", id="not"),
        pytest.param({"matchExpressions": [_asking("a", "Exists")]}, "a", id="exists"),
        pytest.param(
            {
                "matchLabels": {"app": "web"},
                "matchExpressions": [
                    _asking("tier", "In", "a", "b"),
                    _asking("env", "NotIn", "dev"),
                    {"key": "team", "operator": "Exists"},
                    {"key": "old", "operator": "DoesNotExist"},
                ],
            },
            "app=web,tier in (a,b),env notin (dev),team,!old",
            id="all terms",
        ),
    ],
)
def test_the_pods_of_a_workload_are_asked_for_as(selector: dict[str, Any], query: str) -> None:
    assert pods_query({"spec": {"selector": selector}}) == query


@pytest.mark.parametrize("selector", [None, {}, {"matchLabels": {}, "matchExpressions": []}])
def test_a_selector_that_would_take_every_pod_is_refused(selector: dict[str, Any] | None) -> None:
    with pytest.raises(PermanentError, match="the Deployment selects no pods"):
        pods_query({"kind": "Deployment", "spec": {"selector": selector}})


def test_an_operator_that_nobody_knows_is_refused() -> None:
    selector = {"matchExpressions": [_asking("a", "Like")]}

    with pytest.raises(PermanentError, match="unknown operator 'Like'"):
        pods_query({"spec": {"selector": selector}})


def test_labels_are_spelled_in_one_order() -> None:
    assert labels_query({"b": "2", "a": "1"}) == labels_query({"a": "1", "b": "2"}) == "a=1,b=2"
    assert labels_query({}) == ""
