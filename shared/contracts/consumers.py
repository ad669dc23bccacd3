"""The durable consumers: who reads which subjects, and how many at a time.

One table, from which `shared.bus.streams` creates them and permissions can be generated.
"""

from typing import Final

import msgspec

from shared.contracts.subjects import Fact, Service

PARTITIONS: Final = 16


class Consumer(msgspec.Struct, frozen=True, kw_only=True):
    """One durable pull consumer."""

    stream: str
    name: str
    service: Service
    filters: tuple[str, ...]
    max_ack_pending: int
    pinned: bool = False
    """One client at a time pulls; says who is busy, promises nothing."""
    batch: int = 64
    """Messages asked for at a time by one replica."""


def _events(service: Service, *facts: Fact, partition: str = "*") -> tuple[str, ...]:
    names = facts or (">",)
    return tuple(f"wf.p.{partition}.*.{service}.{name}" for name in names)


PLANNER: Final = Consumer(
    stream="WFEVT",
    name="planner",
    service=Service.PLANNER,
    filters=(
        *_events(Service.WATCHER, Fact.WFE_CREATED, Fact.WFE_CHANGED, Fact.APPROVAL_CHANGED),
        *_events(Service.ORCHESTRATOR, Fact.STEP_BLOCKED, Fact.ADJUSTMENT_DUE),
    ),
    max_ack_pending=128,
)
MONITOR: Final = Consumer(
    stream="WFEVT",
    name="mon",
    service=Service.MONITOR,
    filters=(
        *_events(Service.EXECUTOR),
        *_events(Service.WATCHER, Fact.KEX_CHANGED),
        *_events(Service.PLANNER, Fact.ADJUSTMENT_DECIDED),
        *_events(Service.ORCHESTRATOR, Fact.STEPS_SETTLED),
        *_events(Service.ROLLBACK, Fact.ROLLBACK_DONE),
    ),
    max_ack_pending=128,
)
EXECUTOR: Final = Consumer(
    stream="WFCMD",
    name="exec",
    service=Service.EXECUTOR,
    filters=("wf.cmd.exec.>",),
    max_ack_pending=256,
    batch=32,
)


def _orchestrator(partition: int) -> Consumer:
    index = str(partition)
    others = (
        Service.WATCHER,
        Service.PLANNER,
        Service.EXECUTOR,
        Service.MONITOR,
        Service.ROLLBACK,
    )
    return Consumer(
        stream="WFEVT",
        name=f"orch-{index}",
        service=Service.ORCHESTRATOR,
        filters=tuple(f"wf.p.{index}.*.{service}.>" for service in others),
        max_ack_pending=64,
        pinned=True,
    )


def _rollback(partition: int) -> Consumer:
    index = str(partition)
    return Consumer(
        stream="WFEVT",
        name=f"rb-{index}",
        service=Service.ROLLBACK,
        filters=(
            f"wf.p.{index}.*.{Service.ORCHESTRATOR}.{Fact.ROLLBACK_DUE}",
            f"wf.p.{index}.*.{Service.MONITOR}.{Fact.ROLLBACK_SETTLED}",
            f"wf.p.{index}.*.{Service.EXECUTOR}.{Fact.FINISHED}",
            f"wf.p.{index}.*.{Service.WATCHER}.{Fact.WFE_CHANGED}",
        ),
        max_ack_pending=64,
        pinned=True,
    )


def _timers(service: Service) -> Consumer:
    return Consumer(
        stream="WFTMR",
        name=f"tmr-{service}",
        service=service,
        filters=(f"wf.tmr.due.{service}.>",),
        max_ack_pending=64,
    )


ORCHESTRATOR: Final = tuple(_orchestrator(index) for index in range(PARTITIONS))
ROLLBACK: Final = tuple(_rollback(index) for index in range(PARTITIONS))
TIMERS: Final = {
    service: _timers(service)
    for service in (Service.PLANNER, Service.ORCHESTRATOR, Service.MONITOR, Service.ROLLBACK)
}
ALL: Final = (PLANNER, MONITOR, EXECUTOR, *ORCHESTRATOR, *ROLLBACK, *TIMERS.values())
