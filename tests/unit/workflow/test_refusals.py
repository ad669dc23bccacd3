"""A step fails with the type of error that says what people can do about it."""

import json

import pytest

from shared.kube.errors import translate
from shared.workflow.refusals import error_type_of


@pytest.mark.parametrize(
    ("code", "message", "type_"),
    [
        pytest.param(403, "pods is forbidden: User x cannot", "permission_denied", id="no right"),
        pytest.param(
            403, "forbidden: exceeded quota: small", "resource_quota_exceeded", id="over quota"
        ),
        pytest.param(404, 'deployments "web" not found', "resource_not_found", id="gone"),
        pytest.param(422, "spec.replicas: Invalid value", "validation_error", id="schema"),
        pytest.param(413, "too much", "validation_error", id="too large"),
    ],
)
def test_a_refusal_of_the_api_server_fails_a_step_with(code: int, message: str, type_: str) -> None:
    body = json.dumps({"kind": "Status", "message": message}).encode()

    assert error_type_of(translate(code, body, request="patch deployments web")) == type_
