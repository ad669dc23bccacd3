"""Status of a WorkflowExecution, slice by slice.

Each field has one writing service (`shared.workflow.slices` names it). `phase`, `message`,
`reason`, `conditions` and `observedGeneration` are derived by every writer alike.
"""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from shared.api.enums import (
    Control,
    ErrorType,
    Health,
    Phase,
    RollbackPhase,
    RollbackStepPhase,
    RollbackType,
    StepPhase,
    StepReason,
)
from shared.api.meta import Condition, NamedRef
from shared.api.results import ConditionResult, DryRunResults, SafetyResult, StepResult

Time = datetime | None
Message = Annotated[str, Meta(max_length=256)]
Name = Annotated[str, Meta(max_length=63)]


class ExecutionPlan(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The order in which steps run, and the way back. Never a copy of the steps."""

    revision: Annotated[int, Meta(ge=1, description="Number of this plan.")] = 1
    digest: Annotated[
        str, Meta(max_length=64, description="SHA-256 of the definition this plan was made from.")
    ]
    strategy: Annotated[
        str,
        Meta(max_length=32, description="sequential, parallel or sequential-with-parallel."),
    ]
    order: Annotated[
        list[Name], Meta(max_length=100, description="Step names in the order of granting.")
    ]
    batches: Annotated[
        list[Annotated[list[Name], Meta(max_length=100)]],
        Meta(max_length=100, description="Steps that may run together, batch after batch."),
    ]
    reverse_order: Annotated[
        list[Name], Meta(max_length=100, description="Order of undoing if everything completed.")
    ]
    irreversible: Annotated[
        list[Name], Meta(max_length=100, description="Steps that cannot be undone.")
    ] = []
    estimated_duration: Annotated[
        str, Meta(max_length=32, description="Sum of the longest path of timeouts.")
    ] = ""
    policy_revision: Annotated[
        str, Meta(max_length=64, description="Revision of the policies it was planned with.")
    ] = ""
    adjustments: Annotated[
        list[Name], Meta(max_length=20, description="Adjustments that this plan contains.")
    ] = []
    remediation: Annotated[
        dict[str, Any],
        Meta(description="Data of the RemediationRequest as planned with, for expressions."),
    ] = {}
    baselines: Annotated[
        dict[str, Annotated[int, Meta(ge=0)]],
        Meta(max_length=100, description="Replicas of Deployments to scale, as planned with."),
    ] = {}


class Token(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The right of one step to have an execution in flight."""

    attempt: Annotated[int, Meta(ge=1, description="Which try of the step.")]
    fence: Annotated[int, Meta(ge=1, description="Grows with every grant.")]
    granted_at: Annotated[datetime, Meta(description="When it was granted.")]


class StepStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where one step stands."""

    name: Annotated[str, Meta(max_length=40, description="Name of the step.")]
    step_number: Annotated[int, Meta(ge=0, description="Its number.")] = 0
    action: Annotated[str, Meta(max_length=64, description="Canonical name of the action.")] = ""
    phase: Annotated[StepPhase, Meta(description="Where it stands.")] = StepPhase.PENDING
    execution_ref: Annotated[
        NamedRef | None, Meta(description="The KubernetesExecution of the latest attempt.")
    ] = None
    attempts: Annotated[int, Meta(ge=0, description="Attempts granted so far.")] = 0
    retries_attempted: Annotated[int, Meta(ge=0, description="Attempts after the first.")] = 0
    start_time: Annotated[Time, Meta(description="When the executor took it up.")] = None
    completion_time: Annotated[Time, Meta(description="When it ended.")] = None
    reason: Annotated[
        StepReason | None, Meta(description="Why it stands there, where the phase says too little.")
    ] = None
    message: Annotated[Message, Meta(description="For people.")] = ""
    next_attempt_time: Annotated[Time, Meta(description="When it is tried again.")] = None
    error_type: Annotated[ErrorType | None, Meta(description="Why it failed.")] = None
    result: Annotated[StepResult | None, Meta(description="What it did.")] = None
    blocked_since: Annotated[
        Time, Meta(description="Since when its preconditions or policies keep it from starting.")
    ] = None
    safety: Annotated[
        SafetyResult | None, Meta(description="What the safety policies said of its change.")
    ] = None
    dry_run_results: Annotated[
        DryRunResults | None, Meta(description="Outcome of the dry run of its latest attempt.")
    ] = None
    pre_condition_results: Annotated[
        list[ConditionResult], Meta(max_length=16, description="Outcome of the preconditions.")
    ] = []
    post_condition_results: Annotated[
        list[ConditionResult], Meta(max_length=16, description="Outcome of the postconditions.")
    ] = []


class ValidationResults(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was checked before anything was done."""

    safety_checks_passed: Annotated[bool | None, Meta(description="Safety checks.")] = None
    dry_run_performed: Annotated[
        bool | None, Meta(description="Whether the change of any step was tried first.")
    ] = None
    dry_run_results: Annotated[
        Message, Meta(description="Outcome of all dry runs so far, in brief.")
    ] = ""
    approval_received: Annotated[bool | None, Meta(description="Whether approval came.")] = None
    approval_timestamp: Annotated[Time, Meta(description="When approval came.")] = None
    validation_errors: Annotated[
        list[Annotated[str, Meta(max_length=512)]],
        Meta(max_length=32, description="Defects as `path: reason: message`."),
    ] = []


class Decision(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A request to a person, and the answer."""

    reason: Annotated[Message, Meta(description="Why approval is needed.")] = ""
    digest: Annotated[str, Meta(max_length=64, description="Digest of the plan asked for.")] = ""
    request_ref: Annotated[NamedRef | None, Meta(description="The AIApprovalRequest.")] = None
    expires_at: Annotated[Time, Meta(description="When waiting for the answer ends.")] = None
    decision: Annotated[
        str,
        Meta(pattern="^(|Approved|Rejected|Expired)$", description="Approved, Rejected, Expired."),
    ] = ""
    decided_by: Annotated[str, Meta(max_length=253, description="Who decided.")] = ""
    decided_at: Annotated[Time, Meta(description="When.")] = None
    message: Annotated[Message, Meta(description="What the decider said.")] = ""


class Approval(Decision, frozen=True, kw_only=True, rename="camel"):
    """Whether a person has to agree to the plan or to single steps, and whether one did."""

    required: Annotated[bool, Meta(description="Whether the plan needs approval.")] = False
    gates: Annotated[
        dict[str, Decision], Meta(max_length=100, description="Steps that have their own gate.")
    ] = {}


class ControlStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What became of the latest `spec.control`."""

    verb: Annotated[Control | None, Meta(description="What was asked for.")] = None
    rollback_to: Annotated[
        str, Meta(max_length=40, description="The spec.rollbackTo that was asked for with it.")
    ] = ""
    generation: Annotated[int, Meta(ge=0, description="Generation of the spec that asked.")] = 0
    accepted: Annotated[bool, Meta(description="Whether it is followed.")] = True
    reason: Annotated[str, Meta(max_length=64, description="CamelCase word.")] = ""
    message: Annotated[Message, Meta(description="Why it is not followed, for people.")] = ""
    time: Annotated[Time, Meta(description="When it was taken up.")] = None
    paused: Annotated[bool, Meta(description="Nothing new starts until resumed.")] = False
    stop: Annotated[
        Control | None, Meta(description="cancel or rollback once accepted; never taken back.")
    ] = None
    back_to: Annotated[
        str, Meta(max_length=40, description="The spec.rollbackTo that was last accepted.")
    ] = ""


class RollbackStep(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The undo of one step."""

    name: Annotated[str, Meta(max_length=40, description="Name of the step to undo.")]
    attempt: Annotated[int, Meta(ge=0, description="Which try of the undo.")] = 0
    fence: Annotated[int, Meta(ge=0, description="Above every earlier fence.")] = 0
    phase: Annotated[RollbackStepPhase, Meta(description="Where it stands.")] = (
        RollbackStepPhase.PENDING
    )
    execution_ref: Annotated[NamedRef | None, Meta(description="Its KubernetesExecution.")] = None
    next_attempt_time: Annotated[Time, Meta(description="When it is tried again.")] = None
    start_time: Annotated[Time, Meta(description="When its latest try was decided.")] = None
    asked_time: Annotated[
        Time, Meta(description="Since when a person is asked what to do about drift.")
    ] = None
    safety: Annotated[
        SafetyResult | None, Meta(description="What the safety policies said of its change.")
    ] = None
    reason: Annotated[str, Meta(max_length=64, description="CamelCase word.")] = ""
    message: Annotated[Message, Meta(description="For people.")] = ""


class Rollback(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The way back."""

    phase: Annotated[RollbackPhase, Meta(description="Where it stands.")]
    strategy: Annotated[RollbackType, Meta(description="What was asked for.")]
    to: Annotated[
        str, Meta(max_length=40, description="Step that it stops at; empty to undo everything.")
    ] = ""
    steps: Annotated[
        list[RollbackStep], Meta(max_length=100, description="In the order of undoing.")
    ] = []
    kept: Annotated[
        list[Name],
        Meta(max_length=100, description="Completed steps left as they are: that one, and before."),
    ] = []
    failures: Annotated[int, Meta(ge=0, description="Undo steps that failed.")] = 0
    held_seconds: Annotated[
        int, Meta(ge=0, description="Earlier waits for decisions on drift; no limit counts them.")
    ] = 0
    start_time: Annotated[Time, Meta(description="When it began.")] = None
    completion_time: Annotated[Time, Meta(description="When it ended.")] = None


class ExecutionSnapshot(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was done when a step failed."""

    completed_steps: Annotated[
        list[Name], Meta(max_length=100, description="Steps completed by then.")
    ] = []
    current_step: Annotated[str, Meta(max_length=63, description="Step that failed.")] = ""
    cluster_state: Annotated[Message, Meta(description="Short description.")] = ""
    resource_snapshot: Annotated[Message, Meta(description="Short description.")] = ""


class ExecutionMetrics(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Figures of the whole workflow."""

    total_duration: Annotated[str, Meta(max_length=32, description="First step to end.")] = ""
    step_success_rate: Annotated[float, Meta(ge=0, le=1, description="0 to 1.")] = 0.0
    rollbacks_performed: Annotated[int, Meta(ge=0, description="Undo steps done.")] = 0
    resources_affected: Annotated[int, Meta(ge=0, description="Objects changed.")] = 0


class AdaptiveAdjustment(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One change of the plan at run time."""

    timestamp: Annotated[datetime, Meta(description="When.")]
    name: Annotated[Name, Meta(description="Name of the adjustment, or of the skipped step.")] = ""
    revision: Annotated[int, Meta(ge=0, description="Number of the plan in force after it.")] = 0
    accepted: Annotated[bool, Meta(description="False: refused, and the plan unchanged.")] = True
    adjustment: Annotated[Message, Meta(description="What changed, as a diff.")]
    reason: Annotated[Message, Meta(description="Why, or why it was refused.")] = ""


class WorkflowResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How it went, for upstream services."""

    outcome: Annotated[
        str,
        Meta(
            pattern="^(success|partial_success|failed|unknown)$",
            description="success, partial_success, failed or unknown.",
        ),
    ]
    effectiveness_score: Annotated[float, Meta(ge=0, le=1, description="0 to 1.")] = 0.0
    resource_health: Annotated[str, Meta(max_length=64, description="Optional.")] = ""
    new_alerts_triggered: Annotated[bool | None, Meta(description="Optional.")] = None
    recommended_actions: Annotated[list[Message], Meta(max_length=16, description="Optional.")] = []


class WorkflowStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Everything observed and decided."""

    phase: Annotated[Phase, Meta(description="One-word summary, derived.")] = Phase.PENDING
    reason: Annotated[str, Meta(max_length=64, description="CamelCase word, derived.")] = ""
    message: Annotated[Message, Meta(description="For people, derived.")] = ""
    observed_generation: Annotated[
        int, Meta(ge=0, description="Generation of the spec this status speaks of.")
    ] = 0
    conditions: Annotated[
        list[Condition], Meta(max_length=32, description="Standard conditions, derived.")
    ] = []

    held_since: Annotated[
        Time, Meta(description="Since when it waits for people (paused or approval), derived.")
    ] = None
    held_seconds: Annotated[
        int, Meta(ge=0, description="Earlier waits for people; no timeout counts them, derived.")
    ] = 0

    start_time: Annotated[Time, Meta(description="First move out of Pending.")] = None
    planning_start_time: Annotated[Time, Meta(description="When planning began.")] = None
    planning_complete_time: Annotated[Time, Meta(description="When planning ended.")] = None
    execution_start_time: Annotated[Time, Meta(description="First grant.")] = None
    execution_complete_time: Annotated[Time, Meta(description="Last step settled.")] = None
    rollback_start_time: Annotated[Time, Meta(description="When the way back began.")] = None
    rollback_complete_time: Annotated[Time, Meta(description="When the way back ended.")] = None

    total_steps: Annotated[int, Meta(ge=0, description="Steps in the plan.")] = 0
    execution_plan: Annotated[ExecutionPlan | None, Meta(description="Order and batches.")] = None
    plan_revision: Annotated[int, Meta(ge=0, description="Number of the plan in force.")] = 0
    adaptive_adjustments: Annotated[
        list[AdaptiveAdjustment], Meta(max_length=50, description="Changes of the plan.")
    ] = []
    approval: Annotated[Approval | None, Meta(description="A person's approval.")] = None
    validation_results: Annotated[
        ValidationResults | None, Meta(description="What was checked first.")
    ] = None

    control: Annotated[ControlStatus | None, Meta(description="What became of spec.control.")] = (
        None
    )
    tokens: Annotated[
        dict[str, Token], Meta(max_length=100, description="Ledger of steps in flight.")
    ] = {}
    last_fence: Annotated[int, Meta(ge=0, description="Highest fence granted forward.")] = 0
    active_steps: Annotated[int, Meta(ge=0, description="Steps in flight.")] = 0
    queued_steps: Annotated[int, Meta(ge=0, description="Ready steps without a token.")] = 0
    skipped_steps: Annotated[int, Meta(ge=0, description="Steps that will not run.")] = 0

    steps: Annotated[
        list[StepStatus], Meta(max_length=100, description="Where each step stands.")
    ] = []

    progress: Annotated[int, Meta(ge=0, le=100, description="Percent; never falls.")] = 0
    health: Annotated[Health | None, Meta(description="Combined health of the steps.")] = None
    current_step: Annotated[str, Meta(max_length=63, description="Step in flight.")] = ""
    completed_steps: Annotated[int, Meta(ge=0, description="Steps completed.")] = 0
    failed_steps: Annotated[int, Meta(ge=0, description="Steps failed.")] = 0
    timed_out_at: Annotated[Time, Meta(description="When the workflow's time was up.")] = None
    failed_step: Annotated[str, Meta(max_length=63, description="First step that failed.")] = ""
    failed_action: Annotated[str, Meta(max_length=64, description="Its action.")] = ""
    error_type: Annotated[ErrorType | None, Meta(description="Why it failed.")] = None
    execution_snapshot: Annotated[
        ExecutionSnapshot | None, Meta(description="What was done by then.")
    ] = None
    execution_metrics: Annotated[ExecutionMetrics | None, Meta(description="Figures.")] = None
    workflow_result: Annotated[WorkflowResult | None, Meta(description="How it went.")] = None

    rollback: Annotated[Rollback | None, Meta(description="The way back.")] = None
