"""What stands in the ledger of an execution, also when senders die and answers get lost."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from services.executor.core import effects
from services.executor.core.changes import Address
from services.executor.held import HeldClaim
from services.executor.ledger import LedgerCluster, eviction
from services.executor.locking import TargetLocks
from shared.api.execution import EffectRecord, KubernetesExecution
from shared.api.groups import CONFIG_MAP, DEPLOYMENT, KUBERNETES_EXECUTION, SECRET
from shared.api.meta import LAST_OPERATIONS_ANNOTATION
from shared.errors import (
    AlreadyExistsError,
    ConflictError,
    FencedError,
    MendflowError,
    TransientError,
)
from shared.kube.errors import DisruptionBudgetError
from tests.support.builders import execution_of
from tests.support.virtual_time import run
from tests.unit.executor.little_cluster import LittleCluster, stored
from tests.unit.executor.live import Object
from tests.unit.executor.stage import Stage

KEPT = {"metadata": {"name": "kept"}}
OVER_BUDGET = DisruptionBudgetError("DisruptionBudget", "not now", refusal="one has to stay")


class Ledger:
    """A cluster under the claim of an execution, and what is stored of its ledger."""

    def __init__(self, stage: Stage, claim: KubernetesExecution) -> None:
        self.held = HeldClaim(stage.executions, claim)
        self.cluster = LedgerCluster(stage.cluster, self.held)
        self._stage = stage

    @property
    def records(self) -> list[EffectRecord]:
        """What is known in memory."""
        return self.held.now.status.effects

    @property
    def stored(self) -> list[Object]:
        """What is written down."""
        name = self.held.now.metadata.name
        found: list[Object] = self._stage.cluster.get(KUBERNETES_EXECUTION, name)["status"].get(
            "effects", []
        )
        return found


class Losing(LittleCluster):
    """Creates, and loses the answer; evicts nothing, and says why."""

    def __init__(self, refusal: MendflowError = OVER_BUDGET) -> None:
        super().__init__()
        self._refusal = refusal

    async def create(self, kind: Any, body: Object, *, namespace: str = "") -> Object:
        """Create without an answer."""
        await super().create(kind, body, namespace=namespace)
        raise TransientError("ApiUnavailable", "the answer was lost")

    async def evict(self, *_: object, **__: object) -> None:
        """Refuse."""
        raise self._refusal


class Evicting(LittleCluster):
    """Evicts everything."""

    async def evict(self, *_: object, **__: object) -> None:
        """Do as told."""


def in_virtual_time(scenario: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Return a scenario as a test."""
    return lambda: run(scenario())


async def _ledger(stage: Stage) -> Ledger:
    return Ledger(stage, await stage.claimed())


@in_virtual_time
async def test_what_bears_no_stamp_is_written_down_before_it_is_made() -> None:
    ledger = await _ledger(Stage(Losing()))

    with pytest.raises(TransientError):
        await ledger.cluster.create(SECRET, KEPT)

    (record,) = ledger.stored
    assert (record["verb"], record["name"], record["answered"]) == ("create", "kept", False)


@in_virtual_time
async def test_what_is_made_once_more_may_have_been_made_by_a_holder_that_died() -> None:
    stage = Stage(Losing())
    first = await _ledger(stage)
    with pytest.raises(TransientError):
        await first.cluster.create(SECRET, KEPT)
    claim = await stage.executions.fetch("default", first.held.now.metadata.name)
    assert claim is not None
    second = Ledger(stage, claim)

    with pytest.raises(AlreadyExistsError):
        await second.cluster.create(SECRET, KEPT)

    assert [record.answered for record in second.records] == [False]


@in_virtual_time
async def test_a_lock_that_shows_was_taken_though_its_taker_died() -> None:
    stage = Stage()
    first = await _ledger(stage)
    locks = TargetLocks(first.cluster, stage.executions)
    address = Address(kind=DEPLOYMENT, namespace="default", name="web")
    stage.cluster.losing = "answer"
    with pytest.raises(TransientError):
        await locks.take(address, stage.target(), first.held.now)
    claim = await stage.executions.fetch("default", first.held.now.metadata.name)
    assert claim is not None
    second, live = Ledger(stage, claim), stage.target()

    second.cluster.took(DEPLOYMENT, live)
    second.cluster.refute(DEPLOYMENT, "web", version=live["metadata"]["resourceVersion"])

    (record,) = second.records
    assert (record.verb, record.name, record.answered) == ("patch", "web", True)


@in_virtual_time
async def test_what_was_refused_at_once_was_never_made() -> None:
    stage = Stage()
    ledger = await _ledger(stage)
    stage.cluster.put(SECRET, KEPT)

    with pytest.raises(AlreadyExistsError):
        await ledger.cluster.create(SECRET, KEPT)

    assert ledger.records == []


@in_virtual_time
async def test_a_refused_eviction_stands_there_until_nobody_asks_for_it_again() -> None:
    ledger = await _ledger(Stage(Losing()))
    await ledger.cluster.intend([eviction("pod", "u1")])

    with pytest.raises(DisruptionBudgetError):
        await ledger.cluster.evict("pod", uid="u1", namespace="default", grace_s=None)
    asked = ledger.records
    ledger.cluster.forget_unmade()

    assert [record.name for record in asked] == ["pod"]
    assert ledger.records == []


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(OVER_BUDGET, id="budget"),
        pytest.param(TransientError("TooManyRequests"), id="load"),
        pytest.param(ConflictError("Conflict"), id="budget that changes all the time"),
    ],
)
def test_an_eviction_that_is_asked_for_again_is_written_down_all_the_time(
    refusal: MendflowError,
) -> None:
    async def scenario() -> None:
        ledger = await _ledger(Stage(Losing(refusal)))
        await ledger.cluster.intend([eviction("pod", "u1")])
        with pytest.raises(type(refusal)):
            await ledger.cluster.evict("pod", uid="u1", namespace="default", grace_s=None)

        await ledger.held.keep(progress="on its way")

        assert [record["name"] for record in ledger.stored] == ["pod"]

    run(scenario())


@in_virtual_time
async def test_what_was_never_asked_for_is_no_effect() -> None:
    ledger = await _ledger(Stage(Evicting()))
    await ledger.cluster.intend([eviction("told", "u1"), eviction("left", "u2")])
    await ledger.cluster.evict("told", uid="u1", namespace="default", grace_s=None)

    ledger.cluster.forget_unmade()

    assert [(record.name, record.answered) for record in ledger.records] == [("told", True)]


@in_virtual_time
async def test_what_a_holder_that_died_may_have_asked_for_stays() -> None:
    stage = Stage(Evicting())
    first = await _ledger(stage)
    await first.cluster.intend([eviction("pod", "u1")])
    claim = await stage.executions.fetch("default", first.held.now.metadata.name)
    assert claim is not None
    second = Ledger(stage, claim)

    second.cluster.forget_unmade()

    assert [record.name for record in second.records] == ["pod"]


@in_virtual_time
async def test_a_creation_whose_answer_was_lost_is_one_when_its_stamp_is_seen() -> None:
    ledger = await _ledger(Stage(Losing()))
    stamp = {LAST_OPERATIONS_ANNOTATION: "a1/1/1/"}
    body = {"metadata": {"name": "made", "annotations": stamp}, "data": {"a": "1"}}
    with pytest.raises(TransientError):
        await ledger.cluster.create(CONFIG_MAP, body)

    ledger.cluster.saw(CONFIG_MAP, {"metadata": {"name": "made", "uid": "u1"}}, before="")

    (record,) = ledger.records
    assert (record.uid, record.answered) == ("u1", True)
    assert record.digest == effects.digest(CONFIG_MAP, body)


@in_virtual_time
async def test_a_lock_whose_answer_was_lost_stays_written_down_when_the_target_has_moved() -> None:
    stage = Stage()
    ledger = Ledger(stage, await _unclaimed(stage))
    execution, address = ledger.held.now, Address(kind=DEPLOYMENT, name="web", namespace="default")
    stage.cluster.losing = "answer"
    with pytest.raises(TransientError):
        await TargetLocks(ledger.cluster, stage.executions).take(address, stage.target(), execution)

    ledger.cluster.refute(DEPLOYMENT, "web", version=stage.target()["metadata"]["resourceVersion"])

    (record,) = ledger.records
    assert (record.verb, record.name, record.answered) == ("patch", "web", False)
    assert len(stage.cluster.changes_of(DEPLOYMENT)) == 1


@in_virtual_time
async def test_a_stamped_change_that_shows_nowhere_was_never_made() -> None:
    stage = Stage()
    ledger = await _ledger(stage)
    stamp = {LAST_OPERATIONS_ANNOTATION: "a1/1/1/"}
    version = stage.target()["metadata"]["resourceVersion"]
    body = {
        "metadata": {"resourceVersion": version, "annotations": stamp},
        "spec": {"replicas": 3},
    }
    stage.cluster.losing = "request"
    with pytest.raises(TransientError):
        await ledger.cluster.patch(DEPLOYMENT, "web", body)
    stage.change(replicas=9)

    ledger.cluster.refute(DEPLOYMENT, "web", version=stage.target()["metadata"]["resourceVersion"])

    assert ledger.records == []


@in_virtual_time
async def test_nothing_is_written_on_what_is_unclaimed_and_was_changed_since() -> None:
    stage = Stage()
    read = await _unclaimed(stage)
    stage.cluster.put(KUBERNETES_EXECUTION, stored(read))
    ledger = Ledger(stage, read)

    with pytest.raises(FencedError):
        await ledger.cluster.create(SECRET, KEPT)

    assert await stage.cluster.read(SECRET, "kept") is None


@in_virtual_time
async def test_what_is_unclaimed_says_what_is_made_before_its_claim() -> None:
    stage = Stage()
    ledger = Ledger(stage, await _unclaimed(stage))

    await ledger.cluster.create(SECRET, KEPT)

    assert [record["answered"] for record in ledger.stored] == [False]
    assert [record.answered for record in ledger.records] == [True]


async def _unclaimed(stage: Stage) -> KubernetesExecution:
    execution = execution_of(stage.workflow, "web")
    stage.cluster.put(KUBERNETES_EXECUTION, stored(execution))
    found = await stage.executions.fetch("default", execution.metadata.name)
    assert found is not None
    return found
