"""Deleting and restarting pods in virtual time, also when killed at any moment."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from services.executor.core.changes import Done, RefusedError
from services.executor.core.pods import MIRROR_ANNOTATION, Owner
from services.executor.deleting import Deletion
from services.executor.stop import Stop
from shared.api.actions.pods import DeletePod, RestartPod
from shared.api.enums import ErrorType
from shared.api.groups import DEPLOYMENT, POD, REPLICA_SET
from shared.errors import TransientError
from shared.kube.port import Object
from tests.support.virtual_time import run, virtual_clock
from tests.unit.executor.crowd import STARTED, WEB, Crowd, killing_at, leaving, of_kind, pod, pods

LIMIT_S = 60
SELECTED = RestartPod(selector={"app": "web"})


def deletion(crowd: Crowd, stop: Stop | None = None) -> Deletion:
    clock = virtual_clock()
    deadline = clock.now() + timedelta(seconds=LIMIT_S)
    return Deletion(crowd, clock=clock, deadline=deadline, stop=stop or Stop())


async def deleted(
    crowd: Crowd, *, expected_uid: str = "", grace_s: int = 30, stop: Stop | None = None
) -> Done:
    parameters = DeletePod(pod="web-0", grace_period_seconds=grace_s)
    return await deletion(crowd, stop).delete_pod(parameters, "shop", expected_uid=expected_uid)


async def restarted(
    crowd: Crowd,
    parameters: RestartPod = SELECTED,
    *,
    stop: Stop | None = None,
    owners: tuple[Owner, ...] = (),
) -> Done:
    return await deletion(crowd, stop).restart_pod(
        parameters, "shop", started=STARTED, owners=owners
    )


def web(count: int = 3) -> Crowd:
    """Return the pods of a ReplicaSet that replaces them."""
    crowd = Crowd(pods(count))
    crowd.keep(count)
    return crowd


def count_of(done: Done) -> int:
    assert done.result.restart_result is not None
    return done.result.restart_result.pods_restarted


def mirror() -> Object:
    found = pod("web-0", owner=of_kind("Node"))
    found["metadata"]["annotations"] = {MIRROR_ANNOTATION: "hash"}
    return found


def test_a_pod_is_deleted_and_waited_for() -> None:
    async def story() -> tuple[Crowd, Done, float]:
        crowd = Crowd(pods(2))
        done = await deleted(crowd)
        return crowd, done, virtual_clock().monotonic()

    crowd, done, took_s = run(story())

    assert crowd.names() == ["web-1"]
    assert crowd.told == ["uid-web-0"]
    assert took_s >= crowd.end_s
    assert done.result.resources_affected == ["Pod shop/web-0"]
    assert done.result.custom_result is not None
    assert done.result.custom_result.output == "deleted pod shop/web-0"


@pytest.mark.parametrize("there", [[], [pod("web-0") | {}]], ids=["none", "another one"])
def test_the_pod_that_is_meant_is_gone_already(there: list[Object]) -> None:
    crowd = Crowd(there)

    done = run(deleted(crowd, expected_uid="uid-of-before"))

    assert done.result.custom_result is not None
    assert done.result.custom_result.output == "pod shop/web-0 was gone already"
    assert crowd.told == []


def test_a_pod_that_never_was_there_is_refused() -> None:
    with pytest.raises(RefusedError, match="Pod shop/web-0 does not exist") as refused:
        run(deleted(Crowd([])))

    assert refused.value.error is ErrorType.RESOURCE_NOT_FOUND


@pytest.mark.parametrize(
    ("grace_s", "times"), [(30, 0), (60, 0), (0, 1)], ids=["as long", "longer", "shorter"]
)
def test_one_that_is_ending_is_told_again_only_to_be_quicker(grace_s: int, times: int) -> None:
    async def story() -> Crowd:
        crowd = Crowd([leaving(pod("web-0"))])
        crowd.end_s = 2.0
        asyncio.get_running_loop().call_later(5.0, crowd.remove, "web-0")
        await deleted(crowd, grace_s=grace_s)
        return crowd

    told = run(story()).told

    assert bool(told) is bool(times)


def test_a_mirror_pod_cannot_be_deleted() -> None:
    crowd = Crowd([mirror()])

    with pytest.raises(RefusedError, match="only its node can end"):
        run(deleted(crowd))

    assert crowd.told == []


def test_one_that_does_not_end_runs_out_of_time() -> None:
    crowd = Crowd(pods(1))
    crowd.end_s = 0

    with pytest.raises(RefusedError, match="Pod shop/web-0 to end") as refused:
        run(deleted(crowd))

    assert refused.value.error is ErrorType.TIMEOUT
    assert len(crowd.told) == 1


def test_told_to_stop_before_it_deletes_nothing() -> None:
    crowd, stop = Crowd(pods(1)), Stop()
    stop.asked = True

    with pytest.raises(RefusedError, match="cancelled before the change"):
        run(deleted(crowd, stop=stop))

    assert crowd.told == []


def test_told_to_stop_while_it_waits_it_says_that_the_pod_was_told() -> None:
    async def story() -> None:
        crowd, stop = Crowd(pods(1)), Stop()
        crowd.end_s = 30.0
        asyncio.get_running_loop().call_later(5.0, stop.ask)
        await deleted(crowd, stop=stop)

    with pytest.raises(RefusedError, match="the pod was told to end"):
        run(story())


def test_a_pod_that_changed_meanwhile_is_deleted_as_it_is_now() -> None:
    crowd = Crowd(pods(1))
    crowd.before_delete = [lambda: crowd.put(POD, pod("web-0", ready=False))]

    run(deleted(crowd))

    assert crowd.told == ["uid-web-0"]


def test_told_to_stop_while_a_deletion_is_on_its_way_it_finds_out_what_became_of_it() -> None:
    async def story() -> Crowd:
        crowd, stop = Crowd(pods(1)), Stop()

        def lose() -> None:
            stop.ask()
            raise TransientError("ApiUnavailable")

        crowd.before_delete = [lose]
        with pytest.raises(RefusedError, match="the pod was told to end"):
            await deleted(crowd, stop=stop)
        return crowd

    assert run(story()).told == ["uid-web-0"]


def test_told_to_stop_while_nobody_answers_it_does_not_ask_in_a_rush() -> None:
    asked = 0

    async def story() -> None:
        crowd, stop = Crowd(pods(1)), Stop()
        stop.asked = True

        def lose() -> None:
            nonlocal asked
            asked += 1
            raise TransientError("ApiUnavailable")

        crowd.at_request = lose
        await deleted(crowd, stop=stop)

    with pytest.raises(RefusedError) as refused:
        run(story())

    assert refused.value.error is ErrorType.TIMEOUT
    assert asked < 2 * LIMIT_S


def test_pods_are_restarted_one_after_the_other() -> None:
    crowd = web()

    done = run(restarted(crowd))

    assert sorted(crowd.told) == ["uid-web-0", "uid-web-1", "uid-web-2"]
    assert sorted(crowd.names()) == ["new-1", "new-2", "new-3"]
    assert crowd.fewest_ready == 2
    assert count_of(done) == 3
    assert done.result.custom_result is not None
    assert done.result.custom_result.action_type == "restart_pod"


def test_nothing_goes_in_the_second_of_the_start_since_stamps_are_whole_seconds() -> None:
    crowd = web(1)

    async def story() -> None:
        await asyncio.sleep(0.4)
        started = virtual_clock().now()
        async with asyncio.timeout(0.5):
            await deletion(crowd).restart_pod(SELECTED, "shop", started=started)

    with pytest.raises(TimeoutError):
        run(story())

    assert crowd.told == []


def test_a_clock_that_is_behind_that_of_the_api_server_holds_nothing_up() -> None:
    async def story() -> Crowd:
        crowd = web(1)
        started = virtual_clock().now() + timedelta(hours=1)
        crowd.ready_s = 0
        crowd.put(POD, pod("web-0"))
        with pytest.raises(RefusedError, match="new-1 to be ready"):
            await deletion(crowd).restart_pod(SELECTED, "shop", started=started)
        return crowd

    assert run(story()).told == ["uid-web-0"]


def test_the_broken_go_first_and_hold_nobody_up() -> None:
    crowd = web()
    crowd.put(POD, pod("web-2", ready=False))
    crowd.fewest_ready = 2

    run(restarted(crowd))

    assert crowd.told[0] == "uid-web-2"
    assert crowd.fewest_ready == 2


def test_what_came_since_the_step_began_is_left_alone() -> None:
    crowd = web()
    crowd.put(POD, pod("web-1", age_s=10))

    done = run(restarted(crowd))

    assert sorted(crowd.told) == ["uid-web-0", "uid-web-2"]
    assert count_of(done) == 3


def test_a_controller_that_does_not_say_what_it_wants_gets_back_what_it_had() -> None:
    custom = of_kind("CloneSet")
    crowd = Crowd([pod(f"web-{number}", owner=custom) for number in range(2)])
    crowd.end_s = 1.0

    with pytest.raises(RefusedError, match="1 of 2 pods to be created in its place") as refused:
        run(restarted(crowd))

    assert refused.value.error is ErrorType.TIMEOUT
    assert len(crowd.told) == 1


def test_a_replacement_that_is_never_ready_stops_it_after_the_first() -> None:
    crowd = web()
    crowd.ready_s = 0

    with pytest.raises(RefusedError, match=r"shop/new-1 to be ready \(1 restarted, 2 left"):
        run(restarted(crowd))

    assert len(crowd.told) == 1


def test_one_pod_is_restarted_by_name() -> None:
    crowd = web()

    done = run(restarted(crowd, RestartPod(pod="web-1")))

    assert crowd.told == ["uid-web-1"]
    assert sorted(crowd.names()) == ["new-1", "web-0", "web-2"]
    assert count_of(done) == 1


def test_the_pods_of_a_deployment_are_those_of_its_replica_sets() -> None:
    crowd = web()
    crowd.put(POD, pod("api-0", owner=WEB | {"name": "api", "uid": "rs-api"}))
    live = crowd.get(REPLICA_SET, "web")
    live["metadata"]["ownerReferences"] = [
        {"kind": "Deployment", "name": "web", "uid": "d-web", "controller": True}
    ]
    crowd.put(REPLICA_SET, live)
    deployment = {"metadata": {"name": "web", "uid": "d-web"}, "spec": live["spec"]}
    crowd.put(DEPLOYMENT, deployment)

    done = run(restarted(crowd, RestartPod(deployment="web")))

    assert sorted(crowd.told) == ["uid-web-0", "uid-web-1", "uid-web-2"]
    assert count_of(done) == 3


@pytest.mark.parametrize(
    ("parameters", "items", "error", "message"),
    [
        pytest.param(
            RestartPod(pod="web-9"),
            pods(1),
            ErrorType.RESOURCE_NOT_FOUND,
            "Pod shop/web-9 does not exist",
            id="no such pod",
        ),
        pytest.param(
            RestartPod(deployment="web"),
            pods(1),
            ErrorType.RESOURCE_NOT_FOUND,
            "Deployment shop/web does not exist",
            id="no such Deployment",
        ),
        pytest.param(
            SELECTED,
            [],
            ErrorType.RESOURCE_NOT_FOUND,
            "a pod with app=web in shop does not exist",
            id="no pod with the labels",
        ),
        pytest.param(
            SELECTED,
            [pod("web-0"), pod("bare", owner=None)],
            ErrorType.VALIDATION_ERROR,
            "shop/bare: without a controller nobody would bring it back; use delete_pod",
            id="no controller",
        ),
        pytest.param(
            RestartPod(pod="web-0"),
            [pod("web-0", phase="Failed")],
            ErrorType.VALIDATION_ERROR,
            "pod shop/web-0 has finished",
            id="finished",
        ),
        pytest.param(
            RestartPod(pod="web-0"),
            [mirror()],
            ErrorType.VALIDATION_ERROR,
            "only its node can end",
            id="mirror",
        ),
        pytest.param(
            RestartPod(), pods(1), ErrorType.VALIDATION_ERROR, "one of pod, selector", id="none"
        ),
        pytest.param(
            RestartPod(pod="web-0", deployment="web"),
            pods(1),
            ErrorType.VALIDATION_ERROR,
            "one of pod, selector",
            id="two",
        ),
    ],
)
def test_refused_before_anything_is_deleted(
    parameters: RestartPod, items: list[Object], error: ErrorType, message: str
) -> None:
    crowd = Crowd(items)

    with pytest.raises(RefusedError, match=message) as refused:
        run(restarted(crowd, parameters))

    assert refused.value.error is error
    assert crowd.told == []


def test_told_to_stop_it_says_how_far_it_came() -> None:
    async def story() -> Crowd:
        crowd, stop = web(), Stop()
        asyncio.get_running_loop().call_later(2.0, stop.ask)
        with pytest.raises(RefusedError, match="1 restarted, 2 left") as refused:
            await restarted(crowd, stop=stop)
        assert refused.value.error is ErrorType.CANCELLED
        return crowd

    assert len(run(story()).told) == 1


def test_the_only_pod_that_is_gone_for_the_moment_is_waited_for_by_its_controller() -> None:
    async def story() -> Done:
        crowd = web(1)
        crowd.remove("web-0")
        owner = Owner(kind="ReplicaSet", name="web", uid="rs-web")
        return await restarted(crowd, owners=(owner,))

    assert run(story()).result.success


def test_killed_at_any_moment_it_is_finished_by_another_run() -> None:
    async def story(moment: int) -> bool:
        crowd = web()
        kill = killing_at(crowd, moment)
        first = asyncio.ensure_future(restarted(crowd))
        kill(first)
        (ended,) = await asyncio.gather(first, return_exceptions=True)
        crowd.at_request = lambda: None
        done = await restarted(crowd)
        assert sorted(crowd.names()) == ["new-1", "new-2", "new-3"]
        assert set(Counter(crowd.told).values()) == {1}
        assert crowd.fewest_ready == 2
        # A pod that is gone while its replacement is not there yet has left no trace to count.
        assert count_of(done) in {2, 3}
        return isinstance(ended, asyncio.CancelledError)

    moments = 0
    while run(story(moments + 1)):
        moments += 1

    assert moments > 12


def test_a_pod_that_is_ending_without_its_controller_is_waited_for_and_not_told_again() -> None:
    async def story(item: Object) -> Crowd:
        crowd = Crowd([leaving(item)])
        asyncio.get_running_loop().call_later(10.0, crowd.remove, "web-0")
        await restarted(crowd)
        return crowd

    assert run(story(pod("web-0"))).told == []
    assert run(story(pod("web-0", owner=None))).told == []


def test_pods_whose_controller_is_deleted_meanwhile_are_left_alone() -> None:
    def orphan(crowd: Crowd) -> None:
        crowd._objects.pop(("ReplicaSet", "web"))
        for name in crowd.names():
            crowd.put(POD, pod(name, owner=None))

    async def story() -> Crowd:
        crowd = web()
        asyncio.get_running_loop().call_later(2.0, orphan, crowd)
        with pytest.raises(RefusedError, match="without a controller nobody would bring it back"):
            await restarted(crowd)
        return crowd

    assert len(run(story()).told) == 1


def test_pods_whose_controller_is_gone_already_are_left_alone() -> None:
    crowd = Crowd(pods(2))

    with pytest.raises(RefusedError, match="without a controller nobody would bring it back"):
        run(restarted(crowd))

    assert crowd.told == []


def test_told_to_stop_a_deletion_that_was_refused_is_not_asked_for_again() -> None:
    async def story() -> Crowd:
        crowd, stop = Crowd(pods(1)), Stop()

        def refuse() -> None:
            stop.ask()
            raise TransientError("TooManyRequests")

        crowd.before_delete = [refuse]
        with pytest.raises(RefusedError, match="cancelled before the change"):
            await deleted(crowd, stop=stop)
        return crowd

    assert run(story()).told == []
