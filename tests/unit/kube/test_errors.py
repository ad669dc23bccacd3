"""What each refusal of the API server means to us: wait, decide again, or give up."""

import json

import pytest

from shared.errors import (
    AlreadyExistsError,
    ConflictError,
    MendflowError,
    NotFoundError,
    PermanentError,
    TransientError,
)
from shared.kube.errors import (
    DisruptionBudgetError,
    NamespaceTerminatingError,
    WatchExpiredError,
    translate,
)


def _body(reason: str = "", message: str = "why") -> bytes:
    return json.dumps({"kind": "Status", "reason": reason, "message": message}).encode()


def test_whoever_may_not_be_impersonated_is_not_opted_in() -> None:
    body = _body("Forbidden", 'User "e" cannot impersonate resource "serviceaccounts"')

    error = translate(403, body, request="get deployments web")

    assert error.reason == "Forbidden"
    assert str(error).startswith("not opted in for this action, see `mendflow namespace --help`")
    assert "get deployments web: User" in str(error)


@pytest.mark.parametrize(
    ("code", "body", "kind", "reason"),
    [
        pytest.param(400, _body("BadRequest"), PermanentError, "Invalid", id="bad request"),
        pytest.param(401, _body("Unauthorized"), TransientError, "Unauthorized", id="token old"),
        pytest.param(403, _body("Forbidden"), PermanentError, "Forbidden", id="no right"),
        pytest.param(
            403,
            _body("Forbidden", 'pods "w" is forbidden: exceeded quota: small, requested: pods=1'),
            PermanentError,
            "QuotaExceeded",
            id="over quota",
        ),
        pytest.param(404, _body("NotFound"), NotFoundError, "NotFound", id="gone"),
        pytest.param(405, _body("MethodNotAllowed"), PermanentError, "Invalid", id="bad verb"),
        pytest.param(409, _body("Conflict"), ConflictError, "Conflict", id="stale write"),
        pytest.param(
            409, _body("AlreadyExists"), AlreadyExistsError, "AlreadyExists", id="name taken"
        ),
        pytest.param(410, _body("Expired"), WatchExpiredError, "Expired", id="version too old"),
        pytest.param(410, _body("Gone"), WatchExpiredError, "Expired", id="version gone"),
        pytest.param(413, _body(), PermanentError, "TooLarge", id="body too large"),
        pytest.param(422, _body("Invalid"), PermanentError, "Invalid", id="schema"),
        pytest.param(429, _body(), TransientError, "TooManyRequests", id="slow down"),
        pytest.param(500, _body("InternalError"), TransientError, "InternalError", id="broken"),
        pytest.param(
            500,
            _body(message="etcdserver: request is too large"),
            PermanentError,
            "TooLarge",
            id="too large for the store",
        ),
        pytest.param(503, _body(), TransientError, "ApiUnavailable", id="starting"),
        pytest.param(504, _body("Timeout"), TransientError, "ApiUnavailable", id="slow"),
        pytest.param(502, b"<html>no JSON</html>", TransientError, "ApiUnavailable", id="proxy"),
        pytest.param(418, b"\xff\xfe", PermanentError, "Invalid", id="nonsense"),
    ],
)
def test_a_refusal_means(code: int, body: bytes, kind: type[MendflowError], reason: str) -> None:
    error = translate(code, body, request="patch deployments web")

    assert type(error) is kind
    assert error.reason == reason
    assert str(error).startswith("patch deployments web: ")


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None)]
)
def test_how_long_to_wait_is_taken_from_the_server(header: str, seconds: float | None) -> None:
    error = translate(429, _body(), request="list pods", retry_after=header)

    assert isinstance(error, TransientError)
    assert error.retry_after_s == seconds


@pytest.mark.parametrize(
    ("code", "said", "told"),
    [
        (
            500,
            (
                "failed to create typed patch object (/w; apps/v1, Kind=Deployment): .spec.foo: "
                "field not declared in schema"
            ),
            ".spec.foo: field not declared in schema",
        ),
        (
            500,
            (
                "failed to create typed patch object (/w; /v1, Kind=ConfigMap): .data.a: expected "
                'string, got &value.valueUnstructured{Value:[]interface {}{"s3cr3t"}}'
            ),
            ".data.a: expected string",
        ),
        (
            500,
            (
                "failed to create typed patch object (/w; apps/v1, Kind=Deployment): .spec: "
                "expected map, got &{s3cr3t\nand more}"
            ),
            ".spec: expected map",
        ),
        (
            500,
            "map: map[value:s3cr3t x:[a]] does not contain declared merge key: name",
            "an element of a list does not contain declared merge key: name",
        ),
        (
            500,
            "list element types are not identical: [[map[name:A value:s3cr3t]] [b]]",
            "list element types are not identical",
        ),
        (500, "unknown patch type: foo in map: map[name:s3cr3t]", "unknown patch type: foo"),
        (
            422,
            (
                '"" is invalid: patch: Invalid value: "map[env:[map[name:A value:s3cr3t]]]": '
                "cannot restore struct from: string"
            ),
            "patch: Invalid value: cannot restore struct from: string",
        ),
        (
            422,
            (
                r'"" is invalid: patch: Invalid value: "{\"a\":\"s3cr3t\": \"x\"}": json: cannot '
                "unmarshal number into Go struct field EnvVar.spec.env.value of type string"
            ),
            "cannot unmarshal number into Go struct field EnvVar.spec.env.value of type string",
        ),
        (
            422,
            (
                'Job.batch "w" is invalid: spec.template: Invalid value: {"env":[{"value":"s3}: '
                'cr3t"}]}: field is immutable'
            ),
            "spec.template: Invalid value: field is immutable",
        ),
        (
            422,
            (
                'x "w" is invalid: spec: Invalid value: core.PodSpec{Env:[]core.EnvVar{{"s3cr3t"}}}'
                ": field is immutable"
            ),
            "spec: Invalid value: field is immutable",
        ),
    ],
)
def test_what_cannot_be_understood_is_refused_by_its_field_and_without_its_value(
    code: int, said: str, told: str
) -> None:
    error = translate(code, _body("" if code == 500 else "Invalid", said), request="patch x w")

    assert type(error) is PermanentError
    assert error.reason == "Invalid"
    assert str(error).endswith(told)
    assert "cr3t" not in str(error)


@pytest.mark.parametrize(
    "said",
    [
        'x "w" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0',
        'x "w" is invalid: data[a b]: Invalid value: "a b": a valid config key must consist of x',
    ],
)
def test_a_plain_value_that_is_refused_is_named(said: str) -> None:
    assert str(translate(422, _body("Invalid", said), request="patch")) == f"patch: {said}"


def test_a_long_message_is_cut() -> None:
    assert len(str(translate(422, _body(message="x" * 9000), request="create"))) == 256


def test_an_eviction_that_a_budget_refuses_says_what_the_budget_needs() -> None:
    needs = "The disruption budget web needs 3 healthy pods and has 3 currently"
    causes = [{"reason": "DisruptionBudget", "message": needs}]
    body = {"message": "Cannot evict pod", "details": {"causes": causes}}

    error = translate(429, json.dumps(body).encode(), request="evict pod web-1", retry_after="10")

    assert isinstance(error, DisruptionBudgetError)
    assert error.refusal == needs
    assert error.retry_after_s == 10


def test_a_namespace_that_is_ended_is_no_missing_right() -> None:
    causes = [{"reason": "NamespaceTerminating", "message": "namespace shop is being terminated"}]
    said = "unable to create new content in namespace shop because it is being terminated"
    body = {"reason": "Forbidden", "message": said, "details": {"causes": causes}}

    error = translate(403, json.dumps(body).encode(), request="evict pod web-1")

    assert isinstance(error, NamespaceTerminatingError)
    assert str(error) == f"evict pod web-1: {said}"


def test_a_pod_under_several_budgets_waits_like_one_that_a_budget_refuses() -> None:
    said = "This pod has more than one PodDisruptionBudget, which is not supported."

    error = translate(500, _body("InternalError", said), request="evict pod web-1")

    assert isinstance(error, DisruptionBudgetError)
    assert error.reason == "MisconfiguredPDB"
    assert error.refusal == said
