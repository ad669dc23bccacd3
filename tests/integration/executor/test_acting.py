"""Actions of the minimum set that leave nothing to undo, on real objects."""

import msgspec
import pytest

from shared.api.enums import Action, ExecutionPhase
from shared.api.groups import CONFIG_MAP, DAEMON_SET, DEPLOYMENT
from tests.support.acts import Acts
from tests.support.kubectl import Object
from tests.support.parameters import parameters_for

RESTARTED = "kubectl.kubernetes.io/restartedAt"


def _workload(kind: str, name: str) -> Object:
    own = {"app": name}
    pods = {
        "metadata": {"labels": own},
        "spec": {"nodeSelector": own, "containers": [{"name": "web", "image": "web:1"}]},
    }
    spec: Object = {"selector": {"matchLabels": own}, "template": pods}
    if kind == DEPLOYMENT.kind:
        spec["replicas"] = 0
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


@pytest.mark.parametrize(
    ("action", "key"),
    [
        (Action.RESTART_DEPLOYMENT, "deployment"),
        (Action.RESTART_DAEMONSET, "daemonset"),
    ],
    ids=str,
)
async def test_row_102_pods_are_replaced(action: Action, key: str, acts: Acts) -> None:
    kind = DEPLOYMENT if action is Action.RESTART_DEPLOYMENT else DAEMON_SET
    name = acts.fresh_name()
    await acts.make(kind, _workload(kind.kind, name))

    act = await acts.act(action, parameters_for(action, {key: name}))

    live = await acts.read(kind, name)
    assert live is not None
    assert act.execution.status.phase is ExecutionPhase.COMPLETED, act.execution.status
    assert RESTARTED in live["spec"]["template"]["metadata"]["annotations"]
    assert not act.captured.available
    (effect,) = act.execution.status.effects
    assert (effect.verb, effect.kind, effect.name) == ("patch", kind.kind, name)
    assert effect.uid == live["metadata"]["uid"]


@pytest.mark.parametrize(
    "action",
    [
        Action.ROLLOUT_STATUS,
        Action.WAIT_FOR_CONDITION,
        Action.COLLECT_DIAGNOSTICS,
        Action.NOTIFY_ONLY,
    ],
    ids=str,
)
async def test_row_102_what_only_looks_changes_nothing(action: Action, acts: Acts) -> None:
    name = acts.fresh_name()
    made = await acts.make(DEPLOYMENT, _workload(DEPLOYMENT.kind, name))
    target = {"kind": "Deployment", "name": name}
    given: dict[Action, Object] = {
        Action.ROLLOUT_STATUS: {"deployment": name},
        Action.WAIT_FOR_CONDITION: {"targetResource": target, "condition": "Available"},
        Action.COLLECT_DIAGNOSTICS: {"targetResource": target},
        Action.NOTIFY_ONLY: {"message": "hello"},
    }

    act = await acts.act(action, parameters_for(action, given[action]))

    live = await acts.read(DEPLOYMENT, name)
    assert live is not None
    assert act.execution.status.phase is ExecutionPhase.COMPLETED, act.execution.status
    assert act.execution.status.effects == []
    assert live["metadata"]["generation"] == made["metadata"]["generation"]


@pytest.mark.parametrize("there", [False, True], ids=["made", "changed"])
async def test_row_75_a_manifest_that_was_tried_says_so(there: bool, acts: Acts) -> None:
    name = acts.fresh_name()
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    if there:
        await acts.make(CONFIG_MAP, body)
    manifest = msgspec.json.encode(body | {"data": {"a": "1"}}).decode()
    given = parameters_for(Action.APPLY_MANIFEST, {"manifest": manifest})

    act = await acts.act(Action.APPLY_MANIFEST, given, dry_run=True)

    status = act.execution.status
    assert status.phase is ExecutionPhase.COMPLETED, status.message
    assert status.validation_results is not None
    found = status.validation_results.dry_run_results
    assert found is not None
    assert (found.performed, found.success) == (True, True)
