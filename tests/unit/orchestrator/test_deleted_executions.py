"""An execution that somebody deleted is settled, whether or not a message tells of it."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from services.orchestrator.service import Orchestrator
from services.orchestrator.sightings import Sightings
from shared.api.enums import Intent
from shared.api.groups import KUBERNETES_EXECUTION, WORKFLOW_EXECUTION
from shared.api.workflow import WorkflowExecution
from shared.contracts.subjects import Fact
from shared.ids import ExecutionName, Uid
from shared.kube.apply import to_json
from shared.kube.port import Object
from shared.worker.keys import Hint, WorkflowKey
from tests.support import virtual_time
from tests.support.builders import UID, execution_of, make_workflow, planned, scale_step
from tests.support.ceilings import context_on
from tests.support.stepped import SteppedCluster

KEY = WorkflowKey(namespace="default", name="fix", uid=Uid(UID))


class World:
    """One running step, and the orchestrators that look at it."""

    def __init__(self) -> None:
        self.cluster = SteppedCluster(lambda _before, _after: None)
        self.cluster.free = True
        workflow = planned(make_workflow([scale_step("a")]))
        self.cluster.put((WORKFLOW_EXECUTION.plural, "default", "fix"), to_json(workflow))
        self.first = self.orchestrator()

    def orchestrator(self) -> Orchestrator:
        return Orchestrator(context_on(self.cluster))

    async def look(self, by: Orchestrator | None = None, hints: Sequence[Hint] = ()) -> None:
        await (by or self.first).reconcile(KEY, hints)

    def executions(self) -> dict[str, Object]:
        """Return the executions by what they are for."""
        kinds = KUBERNETES_EXECUTION.plural
        found = [raw for (plural, *_), raw in self.cluster.objects.items() if plural == kinds]
        return {each["spec"]["intent"]: each for each in found}

    def delete(self) -> str:
        """Delete the execution that runs the step, and return its name."""
        name = str(self.executions()[Intent.RUN]["metadata"]["name"])
        del self.cluster.objects[KUBERNETES_EXECUTION.plural, "default", name]
        return name

    @property
    def workflow(self) -> WorkflowExecution:
        raw = self.cluster.objects[WORKFLOW_EXECUTION.plural, "default", "fix"]
        return msgspec.convert(raw, WorkflowExecution)


def test_who_created_it_needs_no_message() -> None:
    async def story(world: World) -> None:
        await world.look()
        world.delete()
        await world.look()

    world = _told(story)

    assert world.executions().keys() == {Intent.SETTLE}
    assert world.workflow.status.tokens["a"].fence == 2


def test_who_saw_it_once_needs_no_message() -> None:
    async def story(world: World) -> None:
        await world.look()
        second = world.orchestrator()
        await world.look(second)
        world.delete()
        await world.look(second)

    assert _told(story).executions().keys() == {Intent.SETTLE}


def test_one_that_another_replica_made_again_is_fenced_off() -> None:
    async def story(world: World) -> None:
        await world.look()
        world.delete()
        await world.look(world.orchestrator())
        assert world.executions().keys() == {Intent.RUN}
        await world.look()
        await world.look()

    world = _told(story)

    assert world.executions().keys() == {Intent.RUN, Intent.SETTLE}
    assert world.executions()[Intent.RUN]["status"]["phase"] == "Cancelled"
    assert world.workflow.status.tokens["a"].fence == 2


def test_who_never_saw_it_believes_a_message_of_what_is_not_there() -> None:
    async def story(world: World) -> None:
        await world.look()
        name = world.delete()
        await world.look(world.orchestrator(), [_deleted(name)])

    assert _told(story).executions().keys() == {Intent.SETTLE}


def test_nobody_believes_a_message_that_what_is_there_was_deleted() -> None:
    async def story(world: World) -> None:
        await world.look()
        name = world.executions()[Intent.RUN]["metadata"]["name"]
        await world.look(hints=[_deleted(name)])
        await world.look(world.orchestrator(), [_deleted(name)])

    world = _told(story)

    assert world.executions().keys() == {Intent.RUN}
    assert world.workflow.status.tokens["a"].fence == 1


def test_the_oldest_sighting_is_forgotten_first() -> None:
    sightings = Sightings(capacity=2)
    names = [_sighting(sightings, step) for step in ("a", "b", "a", "c")]

    assert sightings.deleted(names, {}) == {names[0], names[3]}


def _sighting(sightings: Sightings, step: str) -> ExecutionName:
    workflow = planned(make_workflow([scale_step(name) for name in "abc"]))
    execution = execution_of(workflow, step)
    sightings.add(execution)
    return ExecutionName(execution.metadata.name)


def _deleted(name: str) -> Hint:
    return Hint(fact=Fact.KEX_DELETED, execution=name)


def _told(story: Callable[[World], Any]) -> World:
    async def told() -> World:
        world = World()
        await story(world)
        return world

    return virtual_time.run(told())
