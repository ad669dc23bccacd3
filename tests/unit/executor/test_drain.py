"""A drain in virtual time: under a window, around budgets, to a deadline, through crashes."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from services.executor.core.changes import Done, RefusedError
from services.executor.core.evictions import Eviction, Progress
from services.executor.draining import Drain
from services.executor.stop import Stop
from shared.api.actions.nodes import DrainNode
from shared.api.enums import ErrorType
from shared.errors import FencedError, MendflowError, PermanentError, TransientError
from shared.kube.errors import DisruptionBudgetError, NamespaceTerminatingError
from tests.support.virtual_time import run, virtual_clock
from tests.unit.executor.crowd import STARTED, Crowd, killing_at, leaving, of_kind, pod, pods

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT_S = 60
NEEDS_THREE = "The disruption budget web needs 3 healthy pods and has 3 currently"
SEVERAL = "This pod has more than one PodDisruptionBudget"


class Scene:
    """One drain of a crowd."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.stop = Stop()
        self.told: list[tuple[float, Progress]] = []
        self.intended: list[list[str]] = []
        """The uids that were announced; before them, who was asked to go by then."""
        self.on_intend: Callable[[], MendflowError | None] = lambda: None
        self.on_tell: Callable[[], MendflowError | None] = lambda: None

    async def drain(self, **parameters: bool) -> Done:
        """Drain with a minute from now."""
        clock = virtual_clock()
        drain = Drain(
            self.crowd,
            clock=clock,
            deadline=clock.now() + timedelta(seconds=LIMIT_S),
            stop=self.stop,
            progress=self._tell,
            intend=self._intend,
        )
        return await drain.run(DrainNode(node="n1", **parameters), started=STARTED)

    async def refused(self) -> RefusedError:
        """Drain, which must be refused."""
        with pytest.raises(RefusedError) as refused:
            await self.drain()
        return refused.value

    async def _intend(self, evictions: Sequence[Eviction]) -> None:
        if error := self.on_intend():
            raise error
        asked_before = [name for _, name in self.crowd.requests]
        self.intended.append([*asked_before, *(each.uid for each in evictions)])

    async def _tell(self, progress: Progress) -> None:
        self.told.append((virtual_clock().monotonic(), progress))
        if error := self.on_tell():
            raise error


def over_budget() -> MendflowError:
    return DisruptionBudgetError("DisruptionBudget", "no", refusal=NEEDS_THREE)


def output(done: Done) -> str:
    assert done.result.custom_result is not None
    assert done.result.custom_result.action_type == "drain_node"
    return done.result.custom_result.output


def test_all_go_and_each_is_told_once() -> None:
    async def story() -> tuple[Crowd, str, float]:
        crowd = Crowd(pods(100))
        done = await Scene(crowd).drain()
        return crowd, output(done), virtual_clock().monotonic()

    crowd, told, took_s = run(story())

    assert crowd.names() == []
    assert set(Counter(crowd.told).values()) == {1}
    assert told == "evicted 100 of 100 pods of node n1"
    # One after the other would need five seconds for the requests alone.
    assert took_s < 100 * crowd.evict_s / 2 + crowd.end_s


def test_what_is_going_to_be_evicted_is_said_once_before() -> None:
    scene = Scene(
        Crowd([pod("web-0"), leaving(pod("web-1")), pod("d", owner=of_kind("DaemonSet"))])
    )
    errors = [TransientError("ApiUnavailable")]
    scene.on_intend = lambda: errors.pop() if errors else None

    async def story() -> None:
        asyncio.get_running_loop().call_later(5.0, scene.crowd.remove, "web-1")
        await scene.drain()

    run(story())

    assert scene.intended == [["uid-web-0"]]


def test_who_cannot_say_before_what_it_evicts_evicts_nobody() -> None:
    async def story() -> Scene:
        scene = Scene(Crowd(pods(2)))
        scene.on_intend = lambda: FencedError("ClaimLost")
        with pytest.raises(FencedError):
            await scene.drain()
        return scene

    assert run(story()).crowd.requests == []


def test_an_empty_node_is_drained() -> None:
    assert output(run(Scene(Crowd([])).drain())) == "evicted 0 of 0 pods of node n1"


def test_a_budget_holds_back_its_own_pods_only() -> None:
    async def story() -> tuple[Crowd, Scene]:
        crowd = Crowd([*(pod(f"a-{number}") for number in range(20)), pod("web-1")])
        crowd.before_evict = lambda name: (
            over_budget() if name == "web-1" and virtual_clock().monotonic() < 20 else None
        )
        scene = Scene(crowd)
        await scene.drain()
        return crowd, scene

    crowd, scene = run(story())

    others = [at for at, name in crowd.requests if name != "web-1"]
    asked = [at for at, name in crowd.requests if name == "web-1"]
    assert max(others) < 1
    assert 4 <= len(asked) <= 8
    assert all(0.9 < later - at < 6.5 for at, later in pairwise(asked))
    assert any(progress.waiting_for_budget == 1 for _, progress in scene.told)
    assert crowd.names() == []


def test_a_budget_is_asked_a_few_times_a_second_however_many_pods_it_holds_back() -> None:
    async def story() -> Crowd:
        crowd = Crowd(pods(200))
        crowd.before_evict = lambda _: over_budget()
        await Scene(crowd).refused()
        return crowd

    again = run(story()).requests[200:]

    assert len(again) / LIMIT_S < 20
    assert max(later[0] - at[0] for at, later in pairwise(again)) < 5


def test_progress_is_told_every_two_seconds_at_most_and_at_the_end() -> None:
    async def story() -> Scene:
        crowd = Crowd(pods(100))
        crowd.evict_s, crowd.end_s = 1.2, 5.0
        scene = Scene(crowd)
        await scene.drain()
        return scene

    told = run(story()).told

    # The last one is told at once, however soon it comes after the one before.
    assert all(later[0] - at[0] >= 2 for at, later in pairwise(told[:-1]))
    assert 3 <= len(told) <= 8
    assert told[-1][1] == Progress(total=100, evicted=100, gone=100, waiting_for_budget=0)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(over_budget(), f"{NEEDS_THREE} (shop/web-0)", id="budget"),
        pytest.param(
            DisruptionBudgetError("MisconfiguredPDB", "no", refusal=SEVERAL),
            f"{SEVERAL} (shop/web-0)",
            id="several budgets",
        ),
        pytest.param(TransientError("ApiUnavailable"), "1 of 3 pods left", id="no answer"),
        pytest.param(TransientError("InternalError"), "1 of 3 pods left", id="webhook fails"),
    ],
)
def test_the_deadline_ends_it_and_says_what_is_left(error: MendflowError, expected: str) -> None:
    async def story() -> tuple[RefusedError, float, Crowd]:
        crowd = Crowd(pods(3))
        crowd.before_evict = lambda name: error if name == "web-0" else None
        refused = await Scene(crowd).refused()
        return refused, virtual_clock().monotonic(), crowd

    refused, took_s, crowd = run(story())

    assert refused.error is ErrorType.TIMEOUT
    assert "1 of 3 pods left" in str(refused)
    assert expected in str(refused)
    assert took_s == pytest.approx(LIMIT_S, abs=1)
    assert crowd.names() == ["web-0"]


def test_pods_that_do_not_end_are_named_at_the_deadline() -> None:
    crowd = Crowd(pods(2))
    crowd.end_s = 0

    refused = run(Scene(crowd).refused())

    assert refused.error is ErrorType.TIMEOUT
    assert "still ending: shop/web-0, shop/web-1" in str(refused)
    assert len(crowd.told) == 2


def test_too_many_requests_pause_all_for_as_long_as_the_server_says() -> None:
    async def story() -> Crowd:
        crowd = Crowd(pods(60))
        crowd.before_evict = lambda _: (
            TransientError("TooManyRequests", retry_after_s=7.0)
            if virtual_clock().monotonic() < 1
            else None
        )
        await Scene(crowd).drain()
        return crowd

    crowd = run(story())

    first = [at for at, _ in crowd.requests if at < 7]
    assert max(first) < 0.1
    assert len(first) == 8
    second = [at for at, _ in crowd.requests if at >= 7]
    assert sum(at == min(second) for at in second) == 4
    assert set(Counter(crowd.told).values()) == {1}


def test_told_to_stop_it_awaits_what_is_in_flight_and_asks_for_no_more() -> None:
    async def story() -> tuple[RefusedError, Crowd, float]:
        crowd, scene = Crowd(pods(100)), None
        crowd.evict_s = 3.0
        scene = Scene(crowd)
        asyncio.get_running_loop().call_later(1.0, scene.stop.ask)
        refused = await scene.refused()
        return refused, crowd, virtual_clock().monotonic()

    refused, crowd, took_s = run(story())

    assert refused.error is ErrorType.CANCELLED
    assert "100 of 100 pods left" in str(refused)
    assert len(crowd.told) == len(crowd.requests) == 8
    assert 3 <= took_s < 3.5


def test_told_to_stop_before_it_began_it_evicts_nobody() -> None:
    scene = Scene(Crowd(pods(1)))
    scene.stop.asked = True

    assert run(scene.refused()).error is ErrorType.CANCELLED
    assert scene.crowd.requests == []


def test_what_no_waiting_mends_ends_it_with_the_reason_and_what_is_left() -> None:
    crowd = Crowd(pods(100))
    crowd.before_evict = lambda name: (
        PermanentError("Forbidden", "pods is forbidden") if name == "web-1" else None
    )

    refused = run(Scene(crowd).refused())

    assert refused.error is ErrorType.PERMISSION_DENIED
    assert str(refused).startswith("100 of 100 pods left; ")
    assert str(refused).endswith("; pods is forbidden")
    assert len(crowd.requests) < 20


def test_a_pod_whose_namespace_is_ended_goes_with_it_and_holds_nobody_up() -> None:
    async def story() -> Crowd:
        crowd = Crowd(pods(3))
        ending = NamespaceTerminatingError("NamespaceTerminating", "it is being terminated")
        crowd.before_evict = lambda name: ending if name == "web-1" else None
        asyncio.get_running_loop().call_later(10.0, crowd.remove, "web-1")
        await Scene(crowd).drain()
        return crowd

    crowd = run(story())

    assert crowd.names() == []
    assert crowd.told == ["uid-web-0", "uid-web-2"]
    assert 2 <= sum(name == "web-1" for _, name in crowd.requests) < 10


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(
            DisruptionBudgetError("DisruptionBudget", "no", refusal="no", retry_after_s=0.0),
            id="budget",
        ),
        pytest.param(TransientError("TooManyRequests", retry_after_s=0.0), id="load"),
    ],
)
def test_a_server_that_asks_for_no_wait_is_not_asked_in_a_rush(error: MendflowError) -> None:
    async def story() -> Crowd:
        crowd = Crowd(pods(1))
        crowd.before_evict = lambda _: error
        await Scene(crowd).refused()
        return crowd

    assert len(run(story()).requests) <= LIMIT_S


def test_a_lost_claim_ends_it() -> None:
    async def story() -> Crowd:
        crowd = Crowd(pods(5))
        crowd.before_evict = lambda name: over_budget() if name == "web-0" else None
        scene = Scene(crowd)
        scene.on_tell = lambda: FencedError("ClaimLost")
        with pytest.raises(FencedError):
            await scene.drain()
        assert len(scene.told) == 1
        assert virtual_clock().monotonic() < 4
        return crowd

    assert run(story()).names() == ["web-0"]


def test_progress_that_cannot_be_told_for_the_moment_holds_nothing_back() -> None:
    async def story() -> Scene:
        scene = Scene(Crowd(pods(5)))
        scene.crowd.end_s = 12.0
        answers = [TransientError("ApiUnavailable"), TransientError("Conflict")]
        scene.on_tell = lambda: answers.pop(0) if answers else None
        await scene.drain()
        return scene

    scene = run(story())

    assert [progress.gone for _, progress in scene.told] == [0, 0, 0, 5]


def test_a_lost_answer_is_not_a_second_eviction() -> None:
    crowd = Crowd(pods(3))
    crowd.end_s = 30.0
    crowd.after_evict = lambda name: TransientError("ApiUnavailable") if name == "web-1" else None

    run(Scene(crowd).drain())

    assert sorted(crowd.told) == ["uid-web-0", "uid-web-1", "uid-web-2"]


def test_another_pod_of_the_same_name_is_not_evicted() -> None:
    async def story() -> Crowd:
        crowd = Crowd(pods(2))
        done = asyncio.ensure_future(Scene(crowd).drain())
        crowd.before_evict = lambda name: replaced(crowd) if name == "web-1" else None
        await done
        return crowd

    def replaced(crowd: Crowd) -> None:
        other = pod("web-1", age_s=0)
        other["metadata"]["uid"] = "uid-other"
        crowd._objects["Pod", "web-1"] = other | {
            "metadata": other["metadata"] | {"resourceVersion": "1"}
        }

    crowd = run(story())

    assert crowd.told == ["uid-web-0"]
    assert crowd.names() == ["web-1"]


def test_killed_at_any_moment_it_is_finished_by_another_run() -> None:
    async def story(moment: int) -> bool:
        crowd = Crowd(pods(4))
        crowd.before_evict = lambda name: (
            over_budget() if name == "web-0" and virtual_clock().monotonic() < 2 else None
        )
        kill = killing_at(crowd, moment)
        first = asyncio.ensure_future(Scene(crowd).drain())
        kill(first)
        (ended,) = await asyncio.gather(first, return_exceptions=True)
        crowd.at_request = lambda: None
        await Scene(crowd).drain()
        assert crowd.names() == []
        assert set(Counter(crowd.told).values()) == {1}
        return isinstance(ended, asyncio.CancelledError)

    moments = 0
    while run(story(moments + 1)):
        moments += 1

    assert moments > 12
