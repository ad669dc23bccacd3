"""Every action that can be undone, on random objects: acted, then undone as it was before.

And with somebody else's change in between: of a field that the step had set, so that nothing is
undone; or of another one, which stays.
"""

import asyncio
import os
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.executor.core import paths
from shared.api.enums import Action, ErrorType, ExecutionPhase
from shared.api.execution import KubernetesExecution
from shared.api.groups import DEPLOYMENT, NETWORK_POLICY, SERVICE, STATEFUL_SET
from shared.api.meta import LAST_OPERATIONS_ANNOTATION
from shared.effects.catalogue import CATALOGUE
from shared.kube.port import Object
from shared.workflow.undone import DRIFTED
from tests.support.acts import Act, Acts
from tests.support.inverses.case import Case
from tests.support.inverses.cases import CASES
from tests.support.parameters import parameters_for
from tests.support.partial import comparable, holds, overlaid

EXAMPLES: Final = int(os.environ.get("EXAMPLES", "8"))
"""Of each action; `EXAMPLES=200` draws more."""
SLOW: Final = (Action.SCALE_DEPLOYMENT, Action.SCALE_STATEFULSET)
"""Their pods take their time."""
QUICK: Final = tuple(action for action in CASES if action not in SLOW)
ELSEWHERE: Final = {Action.DRAIN_NODE}
"""Tested with the eviction of pods; its undo is that of cordon_node."""
SOON_S: Final = 30
REVISION: Final = "deployment.kubernetes.io/revision"
between: Final = st.sampled_from(["nothing", "owned", "beside"])


def _examples(count: int) -> settings:
    shared = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    # A failing example is small enough, and takes too long to be drawn again and again.
    phases = [Phase.explicit, Phase.reuse, Phase.generate]
    return settings(max_examples=max(1, count), suppress_health_check=shared, phases=phases)


def test_every_action_that_can_be_undone_is_tested() -> None:
    reversible = {action for action, entry in CATALOGUE.items() if entry.reversible}

    assert set(CASES) == reversible - ELSEWHERE


@pytest.mark.parametrize("action", QUICK, ids=str)
@_examples(EXAMPLES)
@given(data=st.data(), change=between)
async def test_what_is_undone_is_as_before(
    action: Action, acts: Acts, data: st.DataObject, change: str
) -> None:
    case = data.draw(CASES[action]).named(acts.fresh_name())

    await _there_and_back(acts, case, change)


@pytest.mark.parametrize("action", SLOW, ids=str)
@_examples(EXAMPLES // 3)
@given(data=st.data(), change=between)
async def test_what_is_scaled_back_is_as_before(
    action: Action, acts: Acts, data: st.DataObject, change: str
) -> None:
    case = data.draw(CASES[action]).named(acts.fresh_name())

    await _there_and_back(acts, case, change)


async def _there_and_back(acts: Acts, case: Case, change: str) -> None:
    stage = _Stage(acts, case)
    before = await stage.prepare()
    try:
        act = await stage.act()
        if before is not None and not act.captured.available:
            await stage.judge_unchanged(before)
        elif change == "owned" and case.owned:
            await stage.judge_drift(act)
        elif change == "beside" and before is not None:
            await stage.judge_undo(act, before, beside=case.beside)
        else:
            await stage.judge_undo(act, before)
    finally:
        await stage.clean()


async def test_ports_that_the_server_numbers_are_not_taken_for_a_change_of_others(
    acts: Acts,
) -> None:
    name = acts.fresh_name()
    old, new = {"name": "old", "port": 80}, {"name": "new", "port": 81}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}}
    spec = {"type": "NodePort", "selector": {"app": name}}
    before = await acts.make(SERVICE, service | {"spec": spec | {"ports": [old]}})
    wanted = service | {"spec": {"ports": [old, new]}}
    manifest = {"manifest": paths.text(wanted), "forceConflicts": True}

    act = await acts.act(Action.APPLY_MANIFEST, parameters_for(Action.APPLY_MANIFEST, manifest))
    live = await acts.read(SERVICE, name)
    undo = await act.undone()

    assert live is not None
    assert [port["name"] for port in live["spec"]["ports"]] == ["old", "new"]
    assert undo.status.phase is ExecutionPhase.COMPLETED, undo.status.message
    after = await acts.read(SERVICE, name)
    assert after is not None
    assert comparable(after) == comparable(before)


class _Stage:
    """One case on the API server."""

    def __init__(self, acts: Acts, case: Case) -> None:
        self._acts = acts
        self._case = case
        self._name = case.name

    async def prepare(self) -> Object | None:
        """Make the object, and return it as it is before the act."""
        case, acts = self._case, self._acts
        if case.body is None:
            return None
        await acts.make(case.kind, case.body)
        live = await self._settled()
        if case.later is not None:
            await acts.change(case.kind, self._name, case.later)
            live = await self._settled()
        return live

    async def act(self) -> Act:
        """Carry out the step, and see that it did what it says."""
        act = await self._acts.act(self._case.action, self._case.given)
        status, live = act.execution.status, await self._live()
        assert status.phase is ExecutionPhase.COMPLETED, status.message
        assert holds(live, self._case.there), live
        after = {} if act.captured.kept_in else act.captured.after
        assert paths.observed(live, after) == after
        assert status.effects
        assert all(each.answered for each in status.effects)
        return act

    async def judge_undo(
        self, act: Act, before: Object | None, *, beside: Object | None = None
    ) -> None:
        """See that all is as before, but for what somebody else did."""
        acts, case = self._acts, self._case
        if beside is not None:
            await acts.change(case.kind, self._name, beside)
        undo = await act.undone()
        assert undo.status.phase is ExecutionPhase.COMPLETED, undo.status.message
        live = await acts.read(case.kind, self._name)
        if before is None:
            assert live is None
            return
        assert live is not None
        wanted = overlaid(before, beside) if beside else before
        assert comparable(live) == comparable(wanted)
        assert await self._policies() == 0

    async def judge_unchanged(self, before: Object) -> None:
        """See that what was as wanted already is as before."""
        assert comparable(await self._live()) == comparable(before)

    async def judge_drift(self, act: Act) -> None:
        """See that nothing is touched."""
        acts, case = self._acts, self._case
        await acts.change(case.kind, self._name, case.owned)
        drifted = await self._settled()
        undo = await act.undone()
        _has_drifted(undo)
        live = await self._live()
        assert comparable(live) == comparable(drifted)
        assert _stamps(live) == _stamps(drifted)

    async def clean(self) -> None:
        """Delete the object."""
        await self._acts.remove(self._case.kind, self._name)

    async def _live(self) -> Object:
        live = await self._acts.read(self._case.kind, self._name)
        assert live is not None
        return live

    async def _settled(self) -> Object:
        """Return the object once its controller has seen it."""
        while True:
            live = await self._live()
            if self._case.kind not in {DEPLOYMENT, STATEFUL_SET}:
                return live
            seen = (
                live.get("status", {}).get("observedGeneration") == live["metadata"]["generation"]
            )
            numbered = REVISION in live["metadata"].get("annotations", {})
            if seen and (numbered or self._case.kind == STATEFUL_SET):
                return live
            await asyncio.sleep(0.02)

    async def _policies(self) -> int:
        if self._case.action is not Action.QUARANTINE_POD:
            return 0
        listing = await self._acts.cluster.list(NETWORK_POLICY, namespace=self._acts.namespace)
        return len(listing.items)


def _has_drifted(undo: KubernetesExecution) -> None:
    results = undo.status.execution_results
    assert results is not None
    assert undo.status.phase is ExecutionPhase.FAILED, undo.status
    assert (results.error_type, results.reason) == (ErrorType.RESOURCE_CONFLICT, DRIFTED)
    assert undo.status.effects == []


def _stamps(live: Object) -> str:
    return str(live["metadata"].get("annotations", {}).get(LAST_OPERATIONS_ANNOTATION))
