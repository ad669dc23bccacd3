"""Has the postconditions of steps looked at, when they are due and when something happens."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from services.monitor.core.verifying import Round, Rounds, due_steps, rounds_so_far
from shared.api.results import ConditionResult
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Step, StepCondition
from shared.api.workflow_status import StepStatus
from shared.errors import MendflowError
from shared.worker.checks import Checker
from shared.worker.keys import RESYNC, Hint
from shared.worker.overrides import requirement
from shared.workflow.definition import steps_of

_MAX_MESSAGE: Final = 256


class Verifier:
    """The policies after a step; without a checker nobody verifies anything."""

    def __init__(self, checker: Checker | None) -> None:
        self._checker = checker

    @property
    def nothing(self) -> Rounds | None:
        """Return what was found where nothing was looked at yet; None where nothing ever is."""
        return None if self._checker is None else {}

    async def rounds(
        self, workflow: WorkflowExecution, hints: Sequence[Hint], *, now: datetime
    ) -> Rounds:
        """Return one round for each step that is due, all of them on fresh state.

        Args:
            workflow: as it was last written.
            hints: why it is looked at; an event may bring a round forward.
            now: the time of these rounds.
        """
        checker = self._checker
        if checker is None:
            return {}
        woken = any(hint.fact and hint.fact != RESYNC for hint in hints)
        steps = due_steps(workflow, now=now, woken=woken)
        found = await asyncio.gather(*(_round(checker, workflow, step, now=now) for step in steps))
        return {step.name: each for step, each in zip(steps, found, strict=True)}


async def _round(
    checker: Checker, workflow: WorkflowExecution, step: StepStatus, *, now: datetime
) -> Round:
    spec = steps_of(workflow)[step.name]
    try:
        results = await checker.check(workflow, spec, "postcondition", fresh=True)
    except MendflowError as error:
        results = [
            _unknown(workflow, spec, condition, why=str(error))
            for condition in spec.post_conditions
        ]
    return Round(
        attempt=step.attempts,
        number=rounds_so_far(step) + 1,
        asked_at=now,
        results=tuple(results),
    )


def _unknown(
    workflow: WorkflowExecution, spec: Step, condition: StepCondition, *, why: str
) -> ConditionResult:
    """Return the result of a look that was not possible: it counts, and nothing holds."""
    required = requirement(workflow, spec, condition, is_precondition=False)
    return ConditionResult(
        condition_type=condition.type,
        required=required.is_required,
        evaluated=True,
        passed=False,
        error_message=why[:_MAX_MESSAGE],
        attempts=1,
        overridden_by=required.overridden_by,
    )
