"""What one service makes of its ConfigMap of policies, and an engine that can be held up."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from prometheus_client import CollectorRegistry

from shared.kube.events import EventRecorder
from shared.policy.library import Library, LivePolicies
from shared.policy.port import Policy, PolicyEngine, Verdict

WITHIN_S: Final = 60


class HeldEngine:
    """The engine, whose look at a text may be held up; counts how many look at once."""

    def __init__(self, engine: PolicyEngine) -> None:
        self._engine = engine
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.gets_on = True
        """Whether it finds out in time what a text is like."""
        self.asked: asyncio.Queue[str] = asyncio.Queue()

    async def decide(self, policy: Policy, data: dict[str, Any], *, tenant: str) -> Verdict:
        return await self._engine.decide(policy, data, tenant=tenant)

    async def defects(self, policy: Policy) -> tuple[str, ...]:
        self.asked.put_nowait(policy.module)
        await self.may_answer.wait()
        if not self.gets_on:
            return ("took longer than it may",)
        return await self._engine.defects(policy)


@dataclass
class Watched:
    """What one service makes of the ConfigMap."""

    live: LivePolicies
    engine: HeldEngine
    registry: CollectorRegistry
    recorder: EventRecorder
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    revisions: list[str] = field(default_factory=list)

    def note(self) -> None:
        """Remember what came in force."""
        self.revisions.append(self.live.current.revision)
        self.changed.set()

    async def until(self, holds: Callable[[Library], bool]) -> Library:
        """Return the first library in force that the test waits for."""
        async with asyncio.timeout(WITHIN_S):
            while not holds(self.live.current):
                self.changed.clear()
                await self.changed.wait()
        return self.live.current

    def counted(self, result: str) -> float | None:
        """Return how many versions ended so."""
        return self.registry.get_sample_value("mendflow_policy_reloads_total", {"result": result})
