"""Asks the policies about the steps that are about to be granted, on fresh state."""

import asyncio
from collections.abc import Callable

from services.orchestrator.core.guarding import Answers, Guards
from services.orchestrator.core.pools import Slot, wanted
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import WorkflowStatus
from shared.expressions.resolving import resolved
from shared.worker.checks import Checker
from shared.workflow.definition import steps_of

Undisputed = Callable[[WorkflowExecution, frozenset[str] | None], WorkflowStatus | None]
"""What would become of a workflow if no policy held anything up."""


class Guard:
    """The policies between a step that is ready and its token; without a checker there are none."""

    def __init__(self, checker: Checker | None) -> None:
        self._checker = checker

    async def ask(self, workflow: WorkflowExecution, undisputed: Undisputed) -> Guards | None:
        """Return what policies say of the steps that would be granted; None for no policies."""
        checker = self._checker
        if checker is None:
            return None
        slots = wanted(workflow, undisputed(workflow, None))
        answers = await asyncio.gather(*(_asked(checker, workflow, slot) for slot in slots))
        return {slot.step: each for slot, each in zip(slots, answers, strict=True)}

    def has_more(
        self, workflow: WorkflowExecution, guards: Guards | None, undisputed: Undisputed
    ) -> bool:
        """Return whether to decide again at once: a step was held up, or nobody asked about one."""
        if guards is None:
            return False
        held = any(not answers.lets_go for answers in guards.values())
        return held or any(
            slot.step not in guards for slot in wanted(workflow, undisputed(workflow, None))
        )


async def _asked(checker: Checker, workflow: WorkflowExecution, slot: Slot) -> Answers:
    spec = steps_of(workflow)[slot.step]
    safety = await checker.judge(
        workflow,
        slot.step,
        action=spec.action,
        parameters=resolved(workflow, spec.parameters),
        rollback=False,
    )
    asks = safety.result.allowed and spec.pre_conditions
    conditions = await checker.check(workflow, spec, "precondition", fresh=False) if asks else []
    return Answers(attempt=slot.attempt, safety=safety, conditions=tuple(conditions))
