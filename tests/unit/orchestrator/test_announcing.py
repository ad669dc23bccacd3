"""Whom the orchestrator wakes when a workflow is to be rolled back."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from services.orchestrator.announcing import Announcer
from services.rollback.core import trigger
from shared.api.enums import Phase, RollbackType, StepPhase, StepReason
from shared.api.workflow import WorkflowExecution
from shared.contracts.subjects import Fact, Service
from tests.support.builders import NOW, with_steps
from tests.support.contexts import context_over
from tests.support.undoing import Way, at, failed_diamond
from tests.support.virtual_time import run
from tests.unit.executor.little_cluster import LittleCluster


class Heard:
    """A publisher that remembers what was said."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []

    async def fact(self, workflow: WorkflowExecution, fact: Fact, **_: Any) -> None:
        """Remember a fact."""
        del workflow
        self.facts.append(fact)


def said_of(workflow: WorkflowExecution) -> list[Fact]:
    """Return what is published when a workflow was looked at and found as it was."""

    async def story() -> list[Fact]:
        heard = Heard()
        context = replace(
            context_over(LittleCluster(), Service.ORCHESTRATOR),
            publisher=heard,  # type: ignore[arg-type]
        )
        await Announcer(context).announce(workflow, workflow)
        return heard.facts

    return run(story())


def sent_forward_in_vain(strategy: RollbackType) -> WorkflowExecution:
    """Return a workflow whose step could not be created, was sent forward, and then failed."""
    workflow = failed_diamond(strategy)
    steps = [
        msgspec.structs.replace(step, reason=StepReason.EXECUTION_CREATION_ERROR)
        if step.phase is StepPhase.FAILED
        else step
        for step in workflow.status.steps
    ]
    uncreated = at(workflow, msgspec.structs.replace(workflow.status, steps=steps))
    degraded = Way(uncreated).go().workflow
    assert degraded.status.phase is Phase.DEGRADED
    again = [msgspec.structs.replace(step, reason=None) for step in degraded.status.steps]
    failed = with_steps(
        at(degraded, msgspec.structs.replace(degraded.status, steps=again)),
        {"d": StepPhase.FAILED},
    )
    return at(failed, msgspec.structs.replace(failed.status, execution_complete_time=NOW))


@pytest.mark.parametrize("strategy", RollbackType)
def test_whenever_the_way_back_has_to_begin_its_service_is_told(strategy: RollbackType) -> None:
    for workflow in (failed_diamond(strategy), sent_forward_in_vain(strategy)):
        told = Fact.ROLLBACK_DUE in said_of(workflow)

        assert told is trigger.may_move(workflow)
