"""What actions ask of the API server is what their rights allow, and all that they allow."""

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, Final, NamedTuple

import pytest

from services.executor.actions.handlers import HANDLERS
from services.executor.actions.handling import update_done
from services.executor.deleting import Deletion
from services.executor.draining import Drain
from services.executor.looking import Looking
from services.executor.stop import Stop
from shared.api.enums import Action
from shared.api.groups import DAEMON_SET, DEPLOYMENT, POD, REPLICA_SET, STATEFUL_SET, Kind
from shared.api.parameters import (
    CollectDiagnostics,
    DeletePod,
    DrainNode,
    RestartPod,
    TargetResource,
)
from shared.effects.rights import RIGHTS
from shared.kube.port import Object
from tests.support.virtual_time import run, virtual_clock
from tests.unit.executor.crowd import STARTED, WEB, Crowd, of_kind, pod, pods

VERBS: Final = {"read": "get", "list": "list", "watch": "watch", "delete": "delete"}
WORKLOADS: Final = (DEPLOYMENT, STATEFUL_SET, DAEMON_SET)


class Asked(NamedTuple):
    """One verb on one resource."""

    verb: str
    group: str
    resource: str


class Recorder:
    """A crowd that writes down what it is asked."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self.asked: set[Asked] = set()

    def __getattr__(self, name: str) -> Any:
        """Return a method of the crowd, recorded."""
        method = getattr(self._crowd, name)

        def recorded(*given: Any, **named: Any) -> Any:
            self.asked.add(_asked(name, given))
            return method(*given, **named)

        return recorded

    def unlimited(self) -> "Recorder":
        """There is no limit here."""
        return self


def _asked(name: str, given: tuple[Any, ...]) -> Asked:
    match name:
        case "evict":
            return Asked("create", "", "pods/eviction")
        case "pods_on":
            return Asked("list", "", "pods")
        case _:
            kind: Kind = given[0]
            return Asked(VERBS[name], kind.group, kind.plural)


def web(kind: Kind, *, wants: int = 1) -> Object:
    """Return a workload, with the uid of the controller that pods of a crowd have."""
    return {
        "kind": kind.kind,
        "metadata": {"name": "web", "namespace": "shop", "uid": "rs-web"},
        "spec": {"replicas": wants, "selector": {"matchLabels": {"app": "web"}}},
    }


async def delete() -> set[Asked]:
    asked = Recorder(Crowd(pods(3)))
    await _deletion(asked).delete_pod(DeletePod(pod="web-0"), "shop")
    return asked.asked


async def restart() -> set[Asked]:
    """Restart pods by their labels; then what has nothing left to restart, in all other ways."""
    crowd = Crowd(pods(3))
    crowd.keep(3)
    found = await _restarted(crowd, RestartPod(selector={"app": "web"}))
    for kind in (STATEFUL_SET, DAEMON_SET):
        crowd = Crowd([pod("web-0", owner=of_kind(kind.kind), age_s=1)])
        crowd.put(kind, web(kind))
        found |= await _restarted(crowd, RestartPod(pod="web-0"))
    crowd = Crowd([pod("web-0", age_s=1)])
    crowd.put(DEPLOYMENT, web(DEPLOYMENT) | {"metadata": {"name": "web", "uid": "web"}})
    owned = {"ownerReferences": [WEB | {"kind": "Deployment", "uid": "web"}]}
    replicas = web(REPLICA_SET)
    crowd.put(REPLICA_SET, replicas | {"metadata": replicas["metadata"] | owned})
    return found | await _restarted(crowd, RestartPod(deployment="web"))


async def collect() -> set[Asked]:
    crowd = Crowd(pods(1))
    for kind in WORKLOADS:
        crowd.put(kind, web(kind))
    asked: Any = Recorder(crowd)
    for kind, name in ((POD, "web-0"), *((each, "web") for each in WORKLOADS)):
        target = TargetResource(kind=kind.kind, name=name)
        looking = Looking(asked, **_times())
        await looking.collect(CollectDiagnostics(target_resource=target), "shop")
    recorded: set[Asked] = asked.asked
    return recorded


async def drain() -> set[Asked]:
    """Empty a node that is cordoned already."""

    async def said(_: object) -> None:
        return None

    asked: Any = Recorder(Crowd(pods(3)))
    emptied = Drain(asked, **_times(), progress=said, intend=said)
    await emptied.run(DrainNode(node="n1"), started=STARTED)
    recorded: set[Asked] = asked.asked
    return recorded


async def _restarted(crowd: Crowd, parameters: RestartPod) -> set[Asked]:
    asked = Recorder(crowd)
    await _deletion(asked).restart_pod(parameters, "shop", started=STARTED)
    return asked.asked


def _deletion(asked: Any) -> Deletion:
    return Deletion(asked, **_times())


def _times() -> dict[str, Any]:
    clock = virtual_clock()
    return {"clock": clock, "deadline": clock.now() + timedelta(seconds=60), "stop": Stop()}


@pytest.mark.parametrize(
    ("action", "story"),
    [
        (Action.DELETE_POD, delete),
        (Action.RESTART_POD, restart),
        (Action.COLLECT_DIAGNOSTICS, collect),
        (Action.DRAIN_NODE, drain),
    ],
)
def test_an_action_asks_for_all_that_it_is_granted(
    action: Action, story: Callable[[], Coroutine[Any, Any, set[Asked]]]
) -> None:
    granted = {
        Asked(verb, rule.group, resource)
        for rule in RIGHTS[action].rules
        for verb in rule.verbs
        for resource in rule.resources
        if resource != "nodes"
    }

    assert run(story()) == granted


@pytest.mark.parametrize("action", HANDLERS)
def test_only_what_is_waited_for_may_be_watched(action: Action) -> None:
    settles_at_once = HANDLERS[action].judge.__qualname__.startswith(update_done.__name__)
    # What a manifest made is deleted by its undo, and awaited until it is gone.
    waits = not settles_at_once or action is Action.APPLY_MANIFEST

    assert ("watch" in verbs(action)) is waits


def test_only_what_is_looked_for_may_be_listed() -> None:
    lists = {action for action in HANDLERS if "list" in verbs(action)}

    assert lists == {Action.ROLLBACK_DEPLOYMENT, Action.DRAIN_NODE}


def verbs(action: Action) -> set[str]:
    return {verb for rule in RIGHTS[action].rules for verb in rule.verbs}
