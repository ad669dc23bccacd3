"""What becomes of a step whose execution was deleted: it is looked at, and never done again."""

import pytest

from shared.api.enums import Action, ErrorType, ExecutionPhase
from shared.api.execution import KubernetesExecution
from shared.api.groups import NODE, POD
from tests.support.acts import Acts
from tests.support.homes import bare
from tests.support.kubectl import Object
from tests.support.parameters import parameters_for

NODE_SPEC: Object = {"spec": {"taints": [{"key": "settled", "effect": "NoSchedule"}]}}


async def _settled(
    acts: Acts, action: Action, given: Object, *, step: str = "lost"
) -> KubernetesExecution:
    act = await acts.order(action, parameters_for(action, given), settles=step)
    return (await act.carry_out()).execution


@pytest.mark.parametrize("action", [Action.DELETE_POD, Action.RESTART_POD], ids=str)
async def test_no_pod_is_deleted_for_a_step_that_is_settled(action: Action, acts: Acts) -> None:
    name = acts.fresh_name()
    made = await acts.make(POD, bare(name, node="nowhere"))

    done = await _settled(acts, action, {"pod": name})

    live = await acts.read(POD, name)
    assert live is not None
    assert live["metadata"]["uid"] == made["metadata"]["uid"]
    assert "deletionTimestamp" not in live["metadata"]
    assert done.status.execution_results is not None
    assert done.status.execution_results.error_type is ErrorType.UNKNOWN_ERROR
    assert done.status.effects == []


async def test_a_node_that_still_has_pods_is_not_taken_for_drained(acts: Acts) -> None:
    name = acts.fresh_name()
    await acts.make(
        NODE, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}} | NODE_SPEC
    )
    given: Object = {"node": name, "force": True}
    first = await acts.order(Action.DRAIN_NODE, parameters_for(Action.DRAIN_NODE, given))
    await first.carry_out()

    await acts.make(POD, bare(name, node=name))
    step = first.execution.spec.step_name
    done = await _settled(acts, Action.DRAIN_NODE, given, step=step)

    assert done.status.phase is ExecutionPhase.FAILED
    assert done.status.execution_results is not None
    assert done.status.execution_results.error_type is ErrorType.UNKNOWN_ERROR
    await acts.remove(NODE, name)
