"""Values of Secrets, and of what often holds some, are in Secrets and nowhere else."""

from collections.abc import Callable
from typing import Any, Final

import msgspec
import pytest
from structlog.testing import capture_logs

from services.monitor.core.assess import assess
from shared.api.enums import Action, ErrorType, ExecutionPhase
from shared.api.execution import KubernetesExecution
from shared.api.groups import DEPLOYMENT, EVENT, JOB, SECRET, Kind
from shared.kube.apply import to_json
from tests.support.acts import Act, Acts
from tests.support.bodies import encoded
from tests.support.builders import NOW, by_name
from tests.support.kubectl import Object
from tests.support.parameters import parameters_for

BEFORE: Final = "canary-before-4f1c9b7d"
AFTER: Final = "canary-after-77c0e1a2"
VARIABLE: Final = "TOKEN"


def _secret(name: str, value: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "data": {"token": encoded(value)},
    }


def _deployment(name: str, value: str) -> Object:
    own, env = {"app": name}, [{"name": VARIABLE, "value": value}]
    pods = {
        "metadata": {"labels": own},
        "spec": {"containers": [{"name": "web", "image": "web:1", "env": env}]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": 0, "selector": {"matchLabels": own}, "template": pods},
    }


def _patch() -> str:
    env = [{"name": VARIABLE, "value": AFTER}]
    pods = {"spec": {"containers": [{"name": "web", "env": env}]}}
    return msgspec.json.encode({"spec": {"template": pods}}).decode()


def _manifest(name: str) -> str:
    return msgspec.json.encode(_deployment(name, AFTER)).decode()


def _given(action: Action, name: str) -> Object:
    match action:
        case Action.UPDATE_SECRET:
            return {"secret": name, "valuesFrom": f"{name}-new"}
        case Action.ROTATE_SECRETS:
            return {"secret": name, "keys": ["token"]}
        case Action.PATCH_DEPLOYMENT:
            return {"deployment": name, "patch": _patch()}
        case Action.ENABLE_DEBUG_MODE:
            return {"deployment": name, "variable": VARIABLE, "logLevel": AFTER}
        case _:
            return {"manifest": _manifest(name), "forceConflicts": True}


ON_SECRETS: Final = (Action.UPDATE_SECRET, Action.ROTATE_SECRETS)


@pytest.mark.parametrize(
    "action",
    [
        *ON_SECRETS,
        Action.PATCH_DEPLOYMENT,
        Action.ENABLE_DEBUG_MODE,
        Action.APPLY_MANIFEST,
    ],
    ids=str,
)
async def test_row_106_what_is_secret_is_shown_nowhere(action: Action, acts: Acts) -> None:
    kind, body = (SECRET, _secret) if action in ON_SECRETS else (DEPLOYMENT, _deployment)
    name = acts.fresh_name()
    await acts.make(kind, body(name, BEFORE))
    await acts.make(SECRET, _secret(f"{name}-new", AFTER))

    with capture_logs() as lines:
        act = await acts.act(action, parameters_for(action, _given(action, name)))
        changed = await acts.read(kind, name)
        undo = await act.undone()
        await acts.context.recorder.flush()

    assert act.execution.status.phase is ExecutionPhase.COMPLETED, act.execution.status
    assert undo.status.phase is ExecutionPhase.COMPLETED, undo.status
    assert BEFORE not in str(changed)
    assert act.captured.kept_in
    events = await acts.cluster.list(EVENT, namespace=acts.namespace)
    told = [events.items, lines, [each.decode() for each in acts.bus.bodies]]
    _has_none(_values(changed), [*_shown(act, undo), *told])


@pytest.mark.parametrize(
    ("form", "env"),
    [
        ("strategic", [{"value": AFTER}]),
        ("strategic", [AFTER]),
        ("strategic", {"a": AFTER}),
        ("merge", {"a": AFTER}),
    ],
    ids=["no name", "no map", "no list", "no list to merge"],
)
async def test_row_106_a_patch_that_is_not_understood_is_not_repeated(
    form: str, env: Any, acts: Acts
) -> None:
    name = acts.fresh_name()
    await acts.make(DEPLOYMENT, _deployment(name, BEFORE))
    pods = {"spec": {"containers": [{"name": "web", "image": "web:1", "env": env}]}}
    patch = msgspec.json.encode({"spec": {"template": pods}}).decode()
    given = {"deployment": name, "patchType": form, "patch": patch}

    act = await acts.act(Action.PATCH_DEPLOYMENT, parameters_for(Action.PATCH_DEPLOYMENT, given))

    results = act.execution.status.execution_results
    assert results is not None
    assert results.error_type is ErrorType.VALIDATION_ERROR
    _has_none(_values(None), _shown(act, act.execution))


@pytest.mark.parametrize("action", [Action.UPDATE_SECRET, Action.PATCH_DEPLOYMENT], ids=str)
async def test_row_106_a_refusal_does_not_repeat_what_was_given(action: Action, acts: Acts) -> None:
    name = acts.fresh_name()
    key = ".dockerconfigjson"
    registries = {"type": "kubernetes.io/dockerconfigjson", "data": {key: encoded("{}")}}
    await acts.make(SECRET, _secret(name, "") | registries)
    await acts.make(DEPLOYMENT, _deployment(name, BEFORE))
    env = [{"name": "A", "value": AFTER, "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]
    pods = {"spec": {"containers": [{"name": "web", "env": env}]}}
    given: dict[Action, Object] = {
        Action.UPDATE_SECRET: {"secret": name, "data": {key: encoded(AFTER)}},
        Action.PATCH_DEPLOYMENT: {
            "deployment": name,
            "patch": msgspec.json.encode({"spec": {"template": pods}}).decode(),
        },
    }

    act = await acts.act(action, parameters_for(action, given[action]))

    assert act.execution.status.phase is ExecutionPhase.FAILED
    assert "nvalid" in act.execution.status.message, "the API server is who refuses it"
    _has_none(_values(None), _shown(act, act.execution))


def _job(name: str, value: str) -> Object:
    env = [{"name": VARIABLE, "value": value}]
    pods = {
        "spec": {
            "restartPolicy": "Never",
            "nodeSelector": {"nobody": "here"},
            "containers": [{"name": "web", "image": "web:1", "env": env}],
        }
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"template": pods},
    }


def _odd(name: str, value: Any) -> Object:
    body = _deployment(name, BEFORE)
    body["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = value
    return body


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        (JOB, _job, lambda name: _job(name, AFTER)),
        (DEPLOYMENT, _deployment, lambda name: _odd(name, {"a": AFTER})),
        (DEPLOYMENT, _deployment, lambda name: _odd(name, [AFTER])),
    ],
    ids=["a template that may not change", "a value that is a map", "a value that is a list"],
)
async def test_row_106_a_refused_manifest_is_not_repeated(
    kind: Kind,
    before: Callable[[str, str], Object],
    after: Callable[[str], Object],
    acts: Acts,
) -> None:
    name = acts.fresh_name()
    await acts.make(kind, before(name, BEFORE))
    manifest = msgspec.json.encode(after(name)).decode()
    given = {"manifest": manifest, "forceConflicts": True}

    act = await acts.act(Action.APPLY_MANIFEST, parameters_for(Action.APPLY_MANIFEST, given))

    results = act.execution.status.execution_results
    assert results is not None
    assert results.error_type is ErrorType.VALIDATION_ERROR
    _has_none(_values(None), _shown(act, act.execution))


def _values(changed: Object | None) -> set[str]:
    """Return what may be shown nowhere, plainly or encoded."""
    found = {BEFORE, AFTER, encoded(BEFORE), encoded(AFTER)}
    return found | set((changed or {}).get("data", {}).values())


def _shown(act: Act, undo: KubernetesExecution) -> list[Any]:
    """Return what people see: both executions, but for what the step itself says, and status."""
    status = assess(act.workflow, by_name(act.execution), now=NOW)
    assert status is not None
    seen = [act.execution.status, undo.status, status]
    if undo.spec.rollback_of is not None:
        seen += [undo.spec.rollback_of, undo.spec.parameters]
    return [to_json(each) for each in seen]


def _has_none(values: set[str], places: list[Any]) -> None:
    for number, place in enumerate(places):
        text = str(place)
        assert not [value for value in values if value in text], (number, place)
