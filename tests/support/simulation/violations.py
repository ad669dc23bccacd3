"""What must never happen in a run, and can be seen while it happens: nothing, if all is well."""

from collections.abc import Collection, Iterator, Sequence

from shared.api.enums import (
    TERMINAL_PHASES,
    Control,
    ErrorType,
    ExecutionKind,
    ExecutionPhase,
    Intent,
    Phase,
    RollbackPhase,
    StepPhase,
)
from shared.api.execution import ExecutionStatus, KubernetesExecution
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_status import WorkflowStatus
from shared.workflow.stopping import stop_reason


def of_start(workflow: WorkflowExecution, execution: KubernetesExecution) -> Iterator[str]:
    """Nothing starts after a stop."""
    spec = execution.spec
    if spec.intent is Intent.RUN and stop_reason(workflow) is not None:
        yield f"{spec.step_name} starts after a stop"


def of_attempt(
    execution: KubernetesExecution,
    executions: Collection[KubernetesExecution],
    versions: Sequence[WorkflowExecution],
    *,
    ordered_by: WorkflowExecution,
) -> Iterator[str]:
    """A step is tried again when its last attempt ended, and it is known what that did."""
    spec = execution.spec
    earlier = [
        each
        for each in executions
        if each.spec.step_name == spec.step_name
        and each.spec.kind is spec.kind
        and each.spec.attempt < spec.attempt
    ]
    unknown = _is_lost_track_of(spec.step_name, executions, before=spec.attempt)
    if spec.kind is ExecutionKind.FORWARD and unknown and not _was_sent_forward(versions):
        yield f"{spec.step_name} again, and nobody knows what it did"
    if not all(each.is_terminal for each in earlier):
        yield f"attempt {spec.attempt} of {spec.step_name} before the last ended"
    known = next(step for step in ordered_by.status.steps if step.name == spec.step_name)
    if spec.intent is Intent.RUN and known.phase is not StepPhase.RUNNING:
        yield f"{spec.step_name} runs again"


def _is_lost_track_of(
    step: str, executions: Collection[KubernetesExecution], *, before: int
) -> bool:
    """Return whether an earlier attempt ended without anybody knowing what it did."""
    return any(
        each.status.execution_results is not None
        and each.status.execution_results.error_type is ErrorType.UNKNOWN_ERROR
        for each in executions
        if each.spec.step_name == step and each.spec.attempt < before
    )


def _was_sent_forward(versions: Sequence[WorkflowExecution]) -> bool:
    """Return whether a person had it tried again."""
    answers = (version.status.control for version in versions)
    return any(each and each.verb is Control.RETRY and each.accepted for each in answers)


def of_creation(
    wanted: KubernetesExecution,
    executions: Collection[KubernetesExecution],
    *,
    phase: Phase,
    deleted: Collection[str],
) -> Iterator[str]:
    """Nothing runs after the end but for a step that lost its execution; an undo runs once."""
    spec = wanted.spec
    over = phase in TERMINAL_PHASES - {Phase.DEGRADED}
    if over and spec.intent is Intent.RUN and spec.step_name not in deleted:
        yield f"an execution of {spec.step_name} in phase {phase}"
    if spec.kind is ExecutionKind.ROLLBACK and any(
        each.status.phase is ExecutionPhase.COMPLETED
        for each in executions
        if each.spec.step_name == spec.step_name and each.spec.kind is spec.kind
    ):
        yield f"another undo of {spec.step_name}"


def of_claim(claim: KubernetesExecution, status: WorkflowStatus) -> Iterator[str]:
    """A claim stands under a token that is held: that of its step, or the reserved one."""
    spec = claim.spec
    if spec.kind is ExecutionKind.ROLLBACK:
        steps = status.rollback.steps if status.rollback else []
        held = {(each.name, each.attempt, each.fence) for each in steps}
    else:
        held = {(name, each.attempt, each.fence) for name, each in status.tokens.items()}
    if (spec.step_name, spec.attempt, spec.fence) not in held:
        yield f"{claim.metadata.name} was claimed without a token"


def of_effect(effect: str, claim: KubernetesExecution, status: WorkflowStatus) -> Iterator[str]:
    """A tombstone has no effect; a step is undone in a rollback, and done before one."""
    if claim.spec.intent is not Intent.RUN:
        yield f"{effect} by a tombstone"
    rollback = status.rollback
    goes_back = rollback is not None and rollback.phase is not RollbackPhase.AWAITING_TRIGGER
    if (claim.spec.kind is ExecutionKind.ROLLBACK) is not goes_back:
        yield f"{effect} in phase {status.phase}"


def of_write(seen: KubernetesExecution, status: ExecutionStatus) -> Iterator[str]:
    """What has ended stays as it is, and fences only grow."""
    if seen.is_terminal and status != seen.status:
        yield f"{seen.metadata.name} went on after its end"
    if status.claim_fence < seen.status.claim_fence:
        yield f"{seen.metadata.name} was claimed under a lower fence"
