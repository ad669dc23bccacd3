"""Expressions in parameters at the door: taken where a value may come later, else refused."""

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.kubectl import Kubectl, Object
from tests.support.namespaces import empty_namespace
from tests.support.workflows import workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster


@pytest.fixture(scope="module")
def kubectl(cluster: "LocalCluster") -> Kubectl:
    """Kubectl in a namespace of this module."""
    made = empty_namespace(cluster, "expressions at the door")
    made.ok("get", "wfe,kex")
    return made


def _scale(field: str, value: str | float) -> Object:
    parameters = {"deployment": "web", "replicas": 1} | {field: value}
    return {
        "name": "a",
        "action": "scale_deployment",
        "parameters": {"scaleDeployment": parameters},
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("replicas", "${vars.wanted + 1}"),
        ("deployment", '${vars.name.matches("^a$") ? "a" : "b"}-${vars.zone}'),
        ("namespace", "${workflow.namespace}"),
    ],
)
def test_a_value_may_come_from_an_expression(kubectl: Kubectl, field: str, value: str) -> None:
    body = workflow("good", [_scale(field, value)])

    kubectl.ok("create", "--dry-run=server", "-f", "-", stdin=json.dumps(body))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("replicas", "three"),
        ("replicas", "3"),
        ("replicas", "${vars.wanted}0"),
        ("replicas", "$${vars.wanted}"),
        ("replicas", 1001),
        ("replicas", 1.5),
        ("deployment", "Web"),
        ("deployment", "$${vars.name}"),
        ("deployment", "${vars.name}-$${x}"),
        ("namespace", "a_b"),
    ],
)
def test_what_is_neither_is_refused(kubectl: Kubectl, field: str, value: str | float) -> None:
    body = workflow("bad", [_scale(field, value)])

    done = kubectl.run("create", "--dry-run=server", "-f", "-", stdin=json.dumps(body))

    assert done.returncode != 0
    assert f"parameters.scaleDeployment.{field}" in done.stderr
