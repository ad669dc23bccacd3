"""What a step did: shared by step status and execution status."""

from typing import Annotated

import msgspec
from msgspec import Meta

Sentence = Annotated[str, Meta(max_length=256)]


class ScaleResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Replica counts around a scale."""

    previous_replicas: Annotated[int, Meta(description="Replicas before.")]
    new_replicas: Annotated[int, Meta(description="Replicas after.")]


class RestartResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a restart replaced."""

    pods_restarted: Annotated[int, Meta(description="Number of pods replaced.")]
    restarted_pods: Annotated[
        list[Annotated[str, Meta(max_length=253)]],
        Meta(max_length=16, description="Names of the first of them; of a rollout none."),
    ] = []


class UpdateResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One field before and after."""

    resource_type: Annotated[str, Meta(max_length=63, description="Kind that was changed.")]
    update_type: Annotated[str, Meta(max_length=63, description="image, config or spec.")]
    previous_value: Annotated[str, Meta(max_length=1024, description="Value before.")]
    new_value: Annotated[str, Meta(max_length=1024, description="Value after.")]


class CustomResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Outcome of an action that has no shape of its own."""

    action_type: Annotated[str, Meta(max_length=64, description="Which action.")]
    output: Annotated[str, Meta(max_length=1024, description="What it said.")]


class StepResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What one attempt achieved."""

    success: Annotated[bool, Meta(description="Whether the action reached its goal.")]
    execution_time: Annotated[
        str, Meta(max_length=32, description="Duration of the attempt, such as 1.250s.")
    ] = ""
    scale_result: ScaleResult | None = None
    restart_result: RestartResult | None = None
    update_result: UpdateResult | None = None
    custom_result: CustomResult | None = None
    resources_affected: Annotated[
        list[Annotated[str, Meta(max_length=512)]],
        Meta(max_length=32, description="Objects changed, as kind/namespace/name."),
    ] = []
    warnings: Annotated[
        list[Sentence], Meta(max_length=16, description="What people should know.")
    ] = []


class ConditionResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Outcome of one Rego condition."""

    condition_type: Annotated[str, Meta(max_length=64, description="Which condition.")]
    required: Annotated[bool, Meta(description="Whether a failure stops the step.")]
    evaluated: Annotated[bool, Meta(description="False: skipped; passed then means nothing.")]
    passed: Annotated[bool, Meta(description="Whether it held.")]
    error_message: Annotated[str, Meta(max_length=256, description="Why not.")] = ""
    evaluation_time: Annotated[str, Meta(max_length=32, description="Duration.")] = ""
    policy_revision: Annotated[str, Meta(max_length=64, description="Revision used.")] = ""
    attempts: Annotated[int, Meta(ge=0, description="How often it was evaluated.")] = 0
    overridden_by: Annotated[
        Sentence, Meta(description="Who or what says whether it is required, if not the step.")
    ] = ""


class SafetyResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the safety policies said of one change."""

    allowed: Annotated[bool, Meta(description="Whether the change may be made.")]
    reasons: Annotated[
        list[Sentence], Meta(max_length=16, description="Why not, as `policy: reason`.")
    ] = []
    notes: Annotated[
        list[Sentence],
        Meta(max_length=16, description="What to know of an allowed change, as `policy: note`."),
    ] = []
    policy_revision: Annotated[str, Meta(max_length=64, description="Revision used.")] = ""


class EstimatedImpact(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a change is going to touch."""

    resources_affected: Annotated[int, Meta(ge=0, description="Number of objects.")] = 0
    description: Annotated[str, Meta(max_length=256, description="For people.")] = ""


class DryRunResults(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the API server said of a change before it was made."""

    performed: Annotated[bool, Meta(description="False: there was nothing to try.")]
    success: Annotated[bool, Meta(description="Whether nothing speaks against the change.")]
    estimated_impact: Annotated[
        EstimatedImpact | None, Meta(description="What the change is going to touch.")
    ] = None
    warnings: Annotated[
        list[Sentence], Meta(max_length=8, description="What the API server warns of.")
    ] = []
    errors: Annotated[list[Sentence], Meta(max_length=8, description="Why it was refused.")] = []
