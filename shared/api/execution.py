"""The KubernetesExecution kind: one attempt of one step, forward or back.

Created by the orchestrator (by the rollback service for undo), carried out by an executor.
The spec never changes; the status belongs to the executor, but for `Cancelled` on an
unclaimed execution, which its creator may write.
"""

from datetime import datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from shared.api.enums import (
    TERMINAL_EXECUTION_PHASES,
    ErrorType,
    ExecutionKind,
    ExecutionPhase,
    Intent,
    OnDrift,
)
from shared.api.groups import KUBERNETES_EXECUTION
from shared.api.meta import Condition, NamedRef, ObjectMeta
from shared.api.parameters import Duration, Parameters
from shared.api.results import ConditionResult, DryRunResults, StepResult
from shared.api.workflow_spec import StepCondition

Time = datetime | None
Message = Annotated[str, Meta(max_length=256)]


class TargetRef(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The object an execution changes, by identity."""

    kind: Annotated[str, Meta(max_length=63, description="Kind of the object.")]
    name: Annotated[str, Meta(max_length=253, description="Name of the object.")]
    namespace: Annotated[str, Meta(max_length=63, description="Its namespace.")] = ""
    uid: Annotated[str, Meta(max_length=64, description="Its identity.")] = ""


class EffectRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One request that changed the cluster."""

    verb: Annotated[str, Meta(max_length=16, description="create, patch, delete or evict.")]
    kind: Annotated[str, Meta(max_length=63, description="Kind of the object.")]
    name: Annotated[str, Meta(max_length=253, description="Its name.")]
    uid: Annotated[str, Meta(max_length=64, description="Its identity.")] = ""
    resource_version_before: Annotated[
        str, Meta(max_length=64, description="Version it was made on; empty for a creation.")
    ] = ""
    resource_version_after: Annotated[
        str, Meta(max_length=64, description="Version it led to; empty where none was told.")
    ] = ""
    digest: Annotated[
        str, Meta(max_length=16, description="Of what was sent; empty for a Secret.")
    ] = ""
    answered: Annotated[
        bool, Meta(description="False: nobody knows whether it was carried out.")
    ] = True


class CapturedState(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The fields a change owns, as they were before it and as it leaves them."""

    target: Annotated[TargetRef | None, Meta(description="The object, by identity.")] = None
    before: Annotated[
        dict[str, str],
        Meta(max_length=32, description="Owned fields before, as path to JSON value."),
    ] = {}
    after: Annotated[
        dict[str, str],
        Meta(max_length=32, description="The same fields as the change leaves them."),
    ] = {}
    absent_before: Annotated[
        bool, Meta(description="Whether the object itself was not there; undone by deletion.")
    ] = False
    kept_in: Annotated[
        str,
        Meta(max_length=253, description="Secret that holds the values, if they are not here."),
    ] = ""
    left_in: Annotated[
        str, Meta(max_length=253, description="Secret with what a later attempt left.")
    ] = ""


class CapturedInverse(CapturedState, frozen=True, kw_only=True, rename="camel"):
    """What undoes an execution, captured before it acted."""

    available: Annotated[bool, Meta(description="Whether the change can be undone.")]
    rollback_action: Annotated[
        str, Meta(max_length=64, description="Action that restores what was before.")
    ] = ""
    rollback_parameters: Annotated[
        Parameters | None, Meta(description="Parameters of that action.")
    ] = None
    resource_version: Annotated[
        str, Meta(max_length=64, description="Version of the target at the capture.")
    ] = ""


class RollbackOf(CapturedState, frozen=True, kw_only=True, rename="camel"):
    """What a rollback execution undoes, and what it must find."""

    step: Annotated[str, Meta(max_length=40, description="Name of the step.")]
    execution_ref: Annotated[NamedRef, Meta(description="The execution that is undone.")]
    action: Annotated[
        str, Meta(max_length=64, description="Action of the step; its rights are used.")
    ] = ""
    on_drift: Annotated[OnDrift, Meta(description="If the live values are neither.")] = OnDrift.SKIP


class ExecutionSpec(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is to be done once; never changes."""

    workflow_execution_ref: Annotated[NamedRef, Meta(description="The workflow it belongs to.")]
    step_name: Annotated[str, Meta(max_length=40, description="Name of the step.")]
    step_number: Annotated[int, Meta(ge=1, description="Number of the step.")]
    action: Annotated[str, Meta(max_length=64, description="Canonical name of the action.")]
    parameters: Annotated[Parameters, Meta(description="Parameters, keyed by action.")]
    attempt: Annotated[int, Meta(ge=1, description="Which try of the step.")]
    kind: Annotated[ExecutionKind, Meta(description="forward, rollback or settle.")]
    fence: Annotated[int, Meta(ge=1, description="Fence of the token it runs under.")]
    intent: Annotated[Intent, Meta(description="Run, Settle or Void.")] = Intent.RUN
    spec_hash: Annotated[
        str, Meta(max_length=64, description="Hash of the step without fence and intent.")
    ]
    timeout: Annotated[Duration, Meta(description="Longest time from claim to end.")] = "5m"
    max_retries: Annotated[int, Meta(ge=0, le=5, description="For information only.")] = 0
    approval_received: Annotated[bool, Meta(description="Approval of a gated action.")] = False
    dry_run: Annotated[
        bool, Meta(description="Try the change as a server-side dry run before it is made.")
    ] = False
    convergent: Annotated[
        bool, Meta(description="Leave the target alone if the goal is already reached.")
    ] = False
    pre_conditions: Annotated[
        list[StepCondition], Meta(max_length=16, description="Action-level preconditions.")
    ] = []
    post_conditions: Annotated[
        list[StepCondition], Meta(max_length=16, description="Action-level postconditions.")
    ] = []
    rollback_of: Annotated[RollbackOf | None, Meta(description="Set on a rollback.")] = None


class PolicyValidation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Verdict of the safety policies."""

    policy_name: Annotated[str, Meta(max_length=253, description="Which policy.")]
    allowed: Annotated[bool, Meta(description="Whether the action may run.")]
    required_approval: Annotated[bool, Meta(description="Whether a person must agree.")] = False
    violations: Annotated[list[Message], Meta(max_length=16, description="Why not.")] = []


class ExecutionValidation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was checked before acting."""

    parameter_validation: Annotated[bool | None, Meta(description="Parameters fit.")] = None
    rbac_validation: Annotated[bool | None, Meta(description="Rights suffice.")] = None
    resource_exists: Annotated[bool | None, Meta(description="The target exists.")] = None
    policy_validation: Annotated[
        PolicyValidation | None, Meta(description="Verdict of the safety policies.")
    ] = None
    dry_run_results: Annotated[
        DryRunResults | None, Meta(description="Outcome of the dry run.")
    ] = None
    pre_condition_results: Annotated[
        list[ConditionResult], Meta(max_length=16, description="Action-level preconditions.")
    ] = []
    post_condition_results: Annotated[
        list[ConditionResult], Meta(max_length=16, description="Action-level postconditions.")
    ] = []
    validation_time: Annotated[Time, Meta(description="When.")] = None


class AffectedResource(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One object that was changed."""

    kind: Annotated[str, Meta(max_length=63, description="Kind.")]
    namespace: Annotated[str, Meta(max_length=63, description="Namespace.")] = ""
    name: Annotated[str, Meta(max_length=253, description="Name.")]
    action: Annotated[str, Meta(max_length=64, description="What was done.")]
    before: Annotated[str, Meta(max_length=256, description="Value before.")] = ""
    after: Annotated[str, Meta(max_length=256, description="Value after.")] = ""


class ExecutionResults(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How it went."""

    success: Annotated[bool, Meta(description="Whether the goal was reached.")]
    job_name: Annotated[str, Meta(max_length=253, description="Job, if one ran.")] = ""
    start_time: Annotated[Time, Meta(description="When it began.")] = None
    end_time: Annotated[Time, Meta(description="When it ended.")] = None
    duration: Annotated[str, Meta(max_length=32, description="From begin to end.")] = ""
    resources_affected: Annotated[
        list[AffectedResource], Meta(max_length=32, description="Objects changed.")
    ] = []
    pod_logs: Annotated[str, Meta(max_length=4096, description="Tail, redacted.")] = ""
    retries_attempted: Annotated[int, Meta(ge=0, description="Always 0 here.")] = 0
    error_type: Annotated[ErrorType | None, Meta(description="Why it failed.")] = None
    error_message: Annotated[Message, Meta(description="For people.")] = ""
    reason: Annotated[str, Meta(max_length=64, description="CamelCase word.")] = ""
    result: Annotated[StepResult | None, Meta(description="What the step reports.")] = None


class ExecutionStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Claim and outcome."""

    phase: Annotated[ExecutionPhase, Meta(description="Where it stands.")] = ExecutionPhase.PENDING
    claimed_by: Annotated[str, Meta(max_length=253, description="Executor that holds it.")] = ""
    claim_fence: Annotated[int, Meta(ge=0, description="Grows with every claim.")] = 0
    message: Annotated[Message, Meta(description="For people.")] = ""
    start_time: Annotated[Time, Meta(description="When it was first claimed.")] = None
    completion_time: Annotated[Time, Meta(description="When it ended.")] = None
    job_name: Annotated[str, Meta(max_length=253, description="Job, if one ran.")] = ""
    conditions: Annotated[
        list[Condition], Meta(max_length=16, description="Standard conditions.")
    ] = []
    validation_results: Annotated[
        ExecutionValidation | None, Meta(description="What was checked first.")
    ] = None
    execution_results: Annotated[ExecutionResults | None, Meta(description="How it went.")] = None
    rollback_information: Annotated[
        CapturedInverse | None, Meta(description="What undoes it, captured before acting.")
    ] = None
    effects: Annotated[
        list[EffectRecord],
        Meta(max_length=2048, description="Every request that changed the cluster, in order."),
    ] = []
    progress: Annotated[
        Message, Meta(description="How far it is, for people; of what takes long.")
    ] = ""


class KubernetesExecution(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One attempt of one step."""

    api_version: str = KUBERNETES_EXECUTION.api_version
    kind: str = KUBERNETES_EXECUTION.kind
    metadata: ObjectMeta
    spec: ExecutionSpec
    status: ExecutionStatus = ExecutionStatus()

    @property
    def is_terminal(self) -> bool:
        """Return whether it has ended, one way or another."""
        return self.status.phase in TERMINAL_EXECUTION_PHASES

    @property
    def is_claimed(self) -> bool:
        """Return whether an executor took it up."""
        return self.status.claim_fence > 0


SHORT_NAME: Final = "kex"
