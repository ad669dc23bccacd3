"""Whether the errors that a step is to be retried after exist, and may be tried again."""

from collections.abc import Iterator

from services.planner.core.defects import Defect, Reason, step_path
from shared.api.enums import ErrorType
from shared.api.workflow_spec import Step
from shared.workflow.retries import FINAL


def retry_defects(step: Step) -> Iterator[Defect]:
    """Yield the error types of a step's retry policy that mean nothing, or must not be there."""
    if step.retry_policy is None:
        return
    path = step_path(step.name, field="retryPolicy.retryableErrors")
    for name in step.retry_policy.retryable_errors:
        problem = _problem(name)
        if problem:
            yield Defect(path=path, reason=Reason.INVALID_RETRY_POLICY, message=problem)


def _problem(name: str) -> str:
    if name not in set(ErrorType):
        known = ", ".join(sorted(set(ErrorType) - FINAL))
        return f"there is no error type {name!r}; there are: {known}"
    if name in FINAL:
        return f"{name} is never tried again, since its change may have been made; remove it"
    return ""
