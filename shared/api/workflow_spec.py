"""Spec of a WorkflowExecution: what a person or an upstream service asks for.

Immutable after creation but for `control` and `rollbackTo`,
`executionStrategy.maxParallelSteps`, and `adaptiveOrchestration.adjustments`, which may grow.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from shared.api.enums import (
    Control,
    ExecutionMode,
    OnDrift,
    OnInFlight,
    RollbackType,
    SecondaryMode,
)
from shared.api.meta import NamedRef
from shared.api.parameters import Duration, Parameters

StepNameText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=40,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        description="Unique name of the step, a DNS label.",
    ),
]
ActionName = Annotated[
    str,
    Meta(
        max_length=64,
        description=(
            "What to do, such as scale_deployment or drain_node; docs/actions.md lists all. "
            "ScaleDeployment and scale-deployment are read as scale_deployment."
        ),
    ),
]


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How often and how fast a failed attempt is tried again."""

    max_retries: Annotated[
        int, Meta(ge=0, le=5, description="Further attempts after the first.")
    ] = 2
    initial_delay: Annotated[Duration, Meta(description="Wait before the first retry.")] = "30s"
    multiplier: Annotated[
        float, Meta(ge=1.0, le=10.0, description="Factor from one wait to the next.")
    ] = 2.0
    max_delay: Annotated[Duration | None, Meta(description="Longest wait.")] = None
    retryable_errors: Annotated[
        list[Annotated[str, Meta(max_length=64)]],
        Meta(max_length=16, description="Error types to retry; empty means all transient ones."),
    ] = []


class StepCondition(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A Rego condition checked before or after a step."""

    type: Annotated[
        str, Meta(min_length=1, max_length=64, description="Name of the condition or policy.")
    ]
    description: Annotated[
        str, Meta(min_length=1, max_length=256, description="What it checks, for people.")
    ]
    rego: (
        Annotated[str, Meta(max_length=16384, description="Inline policy, or a reference to one.")]
        | None
    ) = None
    required: Annotated[bool, Meta(description="False turns a failed check into a warning.")] = True
    timeout: Annotated[
        Duration | None, Meta(description="How long to keep checking; 30s before, 2m after.")
    ] = None


class StepRollback(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An explicit undo; it wins over the captured inverse."""

    action: Annotated[ActionName, Meta(description="Action that undoes the step.")]
    parameters: Annotated[Parameters, Meta(description="Parameters of the undo, keyed by action.")]
    timeout: Annotated[Duration | None, Meta(description="Longest time for the undo.")] = None


class Secondary(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How a step belongs to another one, its primary."""

    primary: StepNameText
    mode: Annotated[
        SecondaryMode,
        Meta(
            description=(
                "after_primary waits until the primary completed; parallel_with_primary starts "
                "together with it; if_primary_fails runs only after the primary failed, and if "
                "it completes, that failure counts as handled."
            )
        ),
    ]


class Step(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One node of the graph."""

    name: StepNameText
    step_number: (
        Annotated[int, Meta(ge=1, le=1000, description="Tie-break in the order; else list order.")]
        | None
    ) = None
    action: ActionName = ""
    parameters: Annotated[
        Parameters, Meta(description="Parameters of the action, keyed by action.")
    ] = Parameters()
    depends_on: Annotated[
        list[StepNameText],
        Meta(max_length=20, description="Steps that must be verified before this one starts."),
    ] = []
    timeout: Annotated[
        Duration | None, Meta(description="Longest time of one attempt; up to 15m.")
    ] = None
    retry_policy: Annotated[
        RetryPolicy | None, Meta(description="How failed attempts are retried.")
    ] = None
    rollback: Annotated[
        StepRollback | None, Meta(description="Explicit undo; absent means the captured inverse.")
    ] = None
    on_drift: Annotated[
        OnDrift,
        Meta(
            description=(
                "What the undo does if somebody else changed the target: skip leaves it, force "
                "overwrites it, ask waits for the annotation kubernaut.io/on-drift.<step> with "
                "either."
            )
        ),
    ] = OnDrift.SKIP
    critical_step: Annotated[
        bool, Meta(description="False tolerates a failure; dependents are then skipped.")
    ] = True
    pre_conditions: Annotated[
        list[StepCondition], Meta(max_length=16, description="Checked before the step starts.")
    ] = []
    post_conditions: Annotated[
        list[StepCondition], Meta(max_length=16, description="Checked before dependents start.")
    ] = []
    secondary: Annotated[
        Secondary | None, Meta(description="Runs in relation to another step, its primary.")
    ] = None
    convergent: Annotated[
        bool, Meta(description="Leave the target alone if the goal is already reached.")
    ] = False
    run_if: (
        Annotated[str, Meta(max_length=1024, description="Expression; false skips the step.")]
        | None
    ) = None
    skip_if: (
        Annotated[str, Meta(max_length=1024, description="Expression; true skips the step.")] | None
    ) = None
    requires_approval: Annotated[
        bool, Meta(description="Wait for a person's approval before this step.")
    ] = False
    target_cluster: Annotated[str, Meta(max_length=63, description='Empty or "local".')] = ""


class WorkflowDefinition(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The graph of steps."""

    name: Annotated[
        str, Meta(max_length=253, description="Name of the runbook; else metadata.name.")
    ] = ""
    version: Annotated[str, Meta(max_length=64, description="Version of the runbook.")] = "v1"
    steps: Annotated[
        list[Step], Meta(min_length=1, max_length=100, description="The steps, 1 to 100.")
    ]
    dependencies: Annotated[
        dict[str, Annotated[list[StepNameText], Meta(max_length=20)]],
        Meta(max_length=100, description="Alternative to dependsOn: step to what it needs."),
    ] = {}
    variables: Annotated[
        dict[str, Any],
        Meta(description="Text, numbers and truth values for expressions, as vars.<name>."),
    ] = {}
    ai_recommendations: Annotated[
        dict[str, Any] | None,
        Meta(description="Opaque record of where the workflow came from; kept as it is."),
    ] = None


class SafetyCheck(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A check of the whole workflow before it starts."""

    type: Annotated[
        str, Meta(pattern="^(rbac|capacity|health|network)$", description="What is checked.")
    ]
    description: Annotated[str, Meta(max_length=256, description="For people.")] = ""
    required: Annotated[bool, Meta(description="False turns a failure into a warning.")] = True


class ExecutionStrategy(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How the graph is walked."""

    approval_required: Annotated[
        bool, Meta(description="Wait for a person's approval before the first step.")
    ] = False
    dry_run_first: Annotated[
        bool, Meta(description="Try every change as a server-side dry run first.")
    ] = False
    mode: Annotated[ExecutionMode, Meta(description="sequential runs one step at a time.")] = (
        ExecutionMode.PARALLEL
    )
    max_retries: (
        Annotated[int, Meta(ge=0, le=5, description="Default of retryPolicy.maxRetries.")] | None
    ) = None
    max_parallel_steps: (
        Annotated[
            int,
            Meta(
                ge=1, le=100, description="Steps in flight at most; the service limit still holds."
            ),
        ]
        | None
    ) = None
    approval_timeout: Annotated[
        Duration | None, Meta(description="How long an approval is waited for; 15m by default.")
    ] = None
    on_in_flight: Annotated[
        OnInFlight, Meta(description="What happens to running siblings after a failure.")
    ] = OnInFlight.WAIT
    safety_checks: Annotated[
        list[SafetyCheck], Meta(max_length=16, description="Checks before the first step.")
    ] = []


class RollbackStrategy(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What happens after a critical step failed."""

    type: Annotated[
        RollbackType,
        Meta(
            description=(
                "Automatic undoes completed steps in reverse order; Manual waits for a person "
                "(control: rollback); None leaves everything as it is."
            )
        ),
    ] = RollbackType.NONE


AdjustmentName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=40,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        description="Unique name of the adjustment, a DNS label.",
    ),
]


class Insertion(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One step to add to the plan."""

    step: Annotated[Step, Meta(description="The step; its dependsOn says what it waits for.")]
    before: Annotated[
        list[StepNameText],
        Meta(max_length=20, description="Steps not started yet that will wait for it."),
    ] = []


class Adjustment(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One change of the plan at run time, accepted or refused as a whole."""

    name: AdjustmentName
    when: (
        Annotated[
            str, Meta(max_length=1024, description="Expression; applied once it becomes true.")
        ]
        | None
    ) = None
    insert: Annotated[list[Insertion], Meta(max_length=20, description="Steps to add.")] = []
    remove: Annotated[
        list[StepNameText], Meta(max_length=20, description="Steps not started yet to take out.")
    ] = []
    reason: Annotated[str, Meta(max_length=256, description="Why, for people.")] = ""


class AdaptiveOrchestration(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whether the plan may change while it runs."""

    optimization_enabled: Annotated[bool, Meta(description="Reserved.")] = False
    learning_from_history: Annotated[bool, Meta(description="Reserved.")] = False
    dynamic_step_adjustment: Annotated[
        bool, Meta(description="Allow steps to be added and removed at run time.")
    ] = False
    adjustments: Annotated[
        list[Adjustment],
        Meta(max_length=20, description="Changes of the plan; more may be appended at run time."),
    ] = []


class ConditionOverride(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whether one condition is required in this workflow."""

    required: Annotated[bool, Meta(description="False turns a failed check into a warning.")]


class ActionOverrides(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Overrides of the conditions of one action, by condition type."""

    preconditions: Annotated[
        dict[str, ConditionOverride], Meta(max_length=32, description="By condition type.")
    ] = {}
    postconditions: Annotated[
        dict[str, ConditionOverride], Meta(max_length=32, description="By condition type.")
    ] = {}


class WorkflowSpec(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is asked for."""

    remediation_request_ref: Annotated[
        NamedRef | None, Meta(description="The RemediationRequest that caused this workflow.")
    ] = None
    workflow_definition: Annotated[WorkflowDefinition, Meta(description="The graph of steps.")]
    execution_strategy: Annotated[
        ExecutionStrategy, Meta(description="How the graph is walked.")
    ] = ExecutionStrategy()
    rollback_strategy: Annotated[
        RollbackStrategy, Meta(description="What happens after a critical step failed.")
    ] = RollbackStrategy()
    control: Annotated[
        Control | None,
        Meta(
            description=(
                "pause, resume, cancel (ends without undoing), rollback (ends and undoes what "
                "was completed) or retry (a Degraded workflow, from its failed steps); may be "
                "set and removed at any time."
            )
        ),
    ] = None
    rollback_to: Annotated[
        StepNameText | None,
        Meta(
            description=(
                "With control rollback: a completed step that is left as it is, with all before "
                "it; only what comes after it is undone. Absent: all is undone."
            )
        ),
    ] = None
    deadline: Annotated[
        Duration | None, Meta(description="Longest time of the whole workflow, rollback included.")
    ] = None
    adaptive_orchestration: Annotated[
        AdaptiveOrchestration | None, Meta(description="Whether the plan may change at run time.")
    ] = None
    condition_overrides: Annotated[
        dict[str, ActionOverrides],
        Meta(max_length=32, description="By action: conditions that are not required here."),
    ] = {}
