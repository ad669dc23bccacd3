"""A monitor in virtual time: objects and timers in memory, and conditions that tests decide."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
import structlog

from services.monitor.service import Monitor
from shared.api.enums import Phase
from shared.api.execution import KubernetesExecution
from shared.api.groups import KUBERNETES_EXECUTION, WORKFLOW_EXECUTION
from shared.api.parameters import Parameters
from shared.api.results import ConditionResult
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Step, StepCondition
from shared.bus.port import Handler, LaneOf
from shared.contracts.consumers import Consumer
from shared.contracts.subjects import Fact, Service
from shared.errors import MendflowError
from shared.kube.apply import to_json
from shared.kube.events import EventRecorder
from shared.kube.objects import decoded
from shared.kube.port import Object
from shared.kube.store import ExecutionStore, WorkflowStore
from shared.limits import Limits, LiveLimits
from shared.telemetry.metrics import Metrics
from shared.worker.checks import Checker, Stage
from shared.worker.context import Context
from shared.worker.keys import Hint, WorkflowKey
from shared.worker.publisher import Publisher
from shared.worker.running import finisher
from shared.workflow.safety import SafetyAnswer
from tests.support.stepped import SteppedCluster
from tests.support.virtual_time import EPOCH, virtual_clock

VERIFY = "verify"


@dataclass
class RecordingBus:
    """Keeps what was published, and when to ring."""

    facts: list[str] = field(default_factory=list)
    timers: dict[str, datetime] = field(default_factory=dict)
    connected: bool = True

    async def publish(self, subject: str, *_: object, **__: object) -> None:
        self.facts.append(subject.rsplit(".", 1)[-1])

    async def schedule(self, subject: str, data: bytes, *, at: datetime) -> None:
        del data
        self.timers[subject.rsplit(".", 1)[-1]] = at

    async def consume(self, consumer: Consumer, lane_of: LaneOf, handler: Handler) -> None:
        """Nobody consumes here."""
        raise NotImplementedError


@dataclass
class Decided(Checker):
    """Conditions hold from so many seconds on; each look takes some time."""

    since: dict[str, float]
    takes_s: float = 0.0
    errors: Sequence[MendflowError] = ()
    """What the first looks end with."""
    meanwhile: Callable[[], Awaitable[None]] | None = None
    """What happens during the next look."""
    looks: list[tuple[str, float]] = field(default_factory=list)

    async def check(
        self, workflow: WorkflowExecution, step: Step, stage: Stage, *, fresh: bool
    ) -> list[ConditionResult]:
        """Evaluate as policies would."""
        assert (stage, fresh) == ("postcondition", True)
        assert workflow.status.phase is Phase.EXECUTING
        second = (virtual_clock().now() - EPOCH).total_seconds()
        self.looks.append((step.name, second))
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        await asyncio.sleep(self.takes_s)
        if len(self.looks) <= len(self.errors):
            raise self.errors[len(self.looks) - 1]
        return [
            _said(each, passed=second >= self.since[each.type]) for each in step.post_conditions
        ]

    @property
    def revision(self) -> str:
        """Nobody asks here."""
        raise NotImplementedError

    async def unusable(self, step: Step, stage: Stage) -> dict[str, str]:
        """Nobody asks here."""
        raise NotImplementedError

    async def judge(
        self,
        workflow: WorkflowExecution,
        step: str,
        *,
        action: str,
        parameters: Parameters,
        rollback: bool,
    ) -> SafetyAnswer:
        """Nobody asks here."""
        raise NotImplementedError


@dataclass
class Switched(Checker):
    """Conditions hold as soon as a test says so."""

    holding: set[str] = field(default_factory=set)
    looks: list[str] = field(default_factory=list)

    async def check(
        self, workflow: WorkflowExecution, step: Step, stage: Stage, *, fresh: bool
    ) -> list[ConditionResult]:
        """Evaluate as policies would."""
        assert workflow.metadata.uid, "a live one"
        assert (stage, fresh) == ("postcondition", True)
        self.looks.append(step.name)
        return [_said(each, passed=each.type in self.holding) for each in step.post_conditions]

    @property
    def revision(self) -> str:
        """Nobody asks here."""
        raise NotImplementedError

    async def unusable(self, step: Step, stage: Stage) -> dict[str, str]:
        """Nobody asks here."""
        raise NotImplementedError

    async def judge(
        self,
        workflow: WorkflowExecution,
        step: str,
        *,
        action: str,
        parameters: Parameters,
        rollback: bool,
    ) -> SafetyAnswer:
        """Nobody asks here."""
        raise NotImplementedError


def _said(condition: StepCondition, *, passed: bool) -> ConditionResult:
    return ConditionResult(
        condition_type=condition.type,
        required=condition.required,
        evaluated=True,
        passed=passed,
        attempts=1,
    )


class Monitored:
    """One workflow and its monitor, from the moment at which its executions ended."""

    def __init__(self, workflow: WorkflowExecution, checker: Checker) -> None:
        self.bus = RecordingBus()
        self._cluster = SteppedCluster(lambda _before, _after: None)
        self._cluster.free = True
        meta = workflow.metadata
        self._key = WorkflowKey(namespace=meta.namespace, name=meta.name, uid=meta.uid)
        self._place = (WORKFLOW_EXECUTION.plural, meta.namespace, meta.name)
        self.put(workflow)
        self._checker = checker
        self._monitor = self._replica()

    def _replica(self) -> Monitor:
        clock, metrics, service = virtual_clock(), Metrics(), Service.MONITOR
        return Monitor(
            Context(
                service=service,
                identity="test",
                clock=clock,
                cluster=self._cluster,
                bus=self.bus,
                workflows=WorkflowStore(self._cluster, finish=finisher(service, clock, metrics)),
                executions=ExecutionStore(self._cluster),
                publisher=Publisher(self.bus, clock=clock, service=service, identity="test"),
                recorder=EventRecorder(self._cluster, component="test", clock=clock),
                metrics=metrics,
                log=structlog.get_logger(),
                namespace="",
                system_namespace="system",
                resync_s=30,
                limits=LiveLimits(Limits()),
                checker=self._checker,
            )
        )

    @property
    def workflow(self) -> WorkflowExecution:
        """Return the workflow as it is."""
        return decoded(self._cluster.objects[self._place], WorkflowExecution)

    def put(self, workflow: WorkflowExecution) -> None:
        """Write the workflow as somebody else does."""
        self._cluster.put(self._place, _body(workflow))

    def end(self, execution: KubernetesExecution) -> None:
        """Write an execution that has ended now."""
        status = msgspec.structs.replace(execution.status, completion_time=virtual_clock().now())
        meta = execution.metadata
        place = (KUBERNETES_EXECUTION.plural, meta.namespace, meta.name)
        self._cluster.put(place, _body(msgspec.structs.replace(execution, status=status)))

    def restart(self) -> None:
        """Replace the monitor by another one, which remembers nothing."""
        self._monitor = self._replica()

    async def look(self, fact: str = Fact.FINISHED) -> None:
        """Have the monitor look at the workflow, because of an event or ("") a timer."""
        await self._monitor.reconcile(self._key, [Hint(fact=fact)])

    async def live(self, *, rounds: int = 100) -> None:
        """Ring the timers for rounds as they come due, until none is armed any more."""
        for _ in range(rounds):
            due = self.bus.timers.pop(VERIFY, None)
            if due is None:
                return
            now = virtual_clock().now()
            await asyncio.sleep(max(0.0, (due - now).total_seconds()))
            await self.look("")


def _body(found: WorkflowExecution | KubernetesExecution) -> Object:
    return to_json(found)


def facts_of(bus: RecordingBus, *wanted: Fact) -> Sequence[str]:
    """Return what was published of these facts, in order."""
    return [fact for fact in bus.facts if fact in wanted]
