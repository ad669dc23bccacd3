"""What the safety policies make of an undo that may begin: it begins, waits, or never will.

Going back is a change like any other (BR-WF-015). Policies that cannot answer hold an undo up
until they can, or until the time of the whole way back is up.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from shared.api.enums import RollbackStepPhase, StepReason
from shared.api.workflow_status import RollbackStep
from shared.workflow.safety import SafetyAnswer

Safety = Mapping[tuple[str, int], SafetyAnswer]
"""By step and try."""

AGAIN_AFTER: Final = timedelta(seconds=2)
_MAX_MESSAGE: Final = 256


def guarded(
    waiting: RollbackStep, granted: RollbackStep, safety: Safety, *, now: datetime
) -> RollbackStep:
    """Return the undo of a step as the policies leave it.

    Args:
        waiting: as it stands.
        granted: with its next try begun.
        safety: what the policies said.
        now: from when on it waits for an answer.
    """
    answer = safety.get((granted.name, granted.attempt))
    if answer is None:
        return waiting
    told = {"safety": answer.result}
    if answer.result.allowed:
        return msgspec.structs.replace(granted, **told)
    if answer.is_answered:
        return msgspec.structs.replace(
            waiting,
            phase=RollbackStepPhase.FAILED,
            reason=str(StepReason.POLICY_VIOLATION),
            message=answer.why_not[:_MAX_MESSAGE],
            next_attempt_time=None,
            **told,
        )
    return msgspec.structs.replace(
        waiting,
        reason=str(StepReason.POLICY_UNAVAILABLE),
        message=f"the safety policies gave no answer: {answer.why_not}"[:_MAX_MESSAGE],
        next_attempt_time=now + AGAIN_AFTER,
        **told,
    )
