"""The AIApprovalRequest kind: a person is asked to agree to one plan, or to one step of it.

Created by the planner, decided by a person; the planner writes `Expired` when nobody did.
The spec never changes and the decision is made once: the API server holds both. Who may
decide is held by the policies under deploy/admission.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from shared.api.groups import AI_APPROVAL_REQUEST
from shared.api.meta import Condition, NamedRef, ObjectMeta
from shared.api.parameters import Duration

Line = Annotated[str, Meta(min_length=1, max_length=256)]
Text = Annotated[str, Meta(max_length=1024)]
Share = Annotated[float, Meta(ge=0, le=1)]


class Decision(StrEnum):
    """What became of a request."""

    NONE = ""
    APPROVED = "Approved"
    REJECTED = "Rejected"
    EXPIRED = "Expired"


class ConfidenceLevel(StrEnum):
    """How sure the analysis is, in one word."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class RecommendedAction(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One action that the analysis recommends."""

    action: Annotated[str, Meta(min_length=1, max_length=64, description="Name of the action.")]
    rationale: Annotated[Text, Meta(description="Why it should help.")] = ""


class Alternative(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One way that was considered and not taken."""

    approach: Annotated[Line, Meta(description="The other way.")]
    pros_cons: Annotated[Text, Meta(description="What speaks for it and against it.")] = ""


class ApprovalContext(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the analysis knows, for whoever decides."""

    reason: Annotated[Text, Meta(description="Why the workflow is proposed.")] = ""
    confidence_score: Annotated[
        Share | None, Meta(description="How sure the analysis is, from 0 to 1.")
    ] = None
    confidence_level: Annotated[
        ConfidenceLevel | None, Meta(description="The same in one word: low, medium or high.")
    ] = None
    investigation_summary: Annotated[
        str, Meta(max_length=4096, description="What was found out.")
    ] = ""
    evidence_collected: Annotated[
        list[Text], Meta(max_length=32, description="What speaks for it.")
    ] = []
    recommended_actions: Annotated[
        list[RecommendedAction], Meta(max_length=32, description="What should be done, and why.")
    ] = []
    alternatives_considered: Annotated[
        list[Alternative], Meta(max_length=16, description="What else could be done.")
    ] = []
    why_approval_required: Annotated[
        Text, Meta(description="Why the analysis wants a person to decide.")
    ] = ""


class ApprovalSpec(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is asked; it never changes."""

    workflow_execution_ref: Annotated[NamedRef, Meta(description="The workflow that waits.")]
    plan_hash: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=64,
            description="Digest of the plan in question; a changed plan needs another request.",
        ),
    ]
    step: Annotated[
        str, Meta(max_length=40, description="The step in question; empty for the whole plan.")
    ] = ""
    reason: Annotated[
        str, Meta(min_length=1, max_length=256, description="Why a person has to agree.")
    ]
    total_steps: Annotated[int, Meta(ge=0, description="Steps of the plan.")] = 0
    threshold: Annotated[
        int, Meta(ge=0, description="Steps that a plan may have without approval.")
    ] = 0
    requested_at: Annotated[datetime, Meta(description="When it was asked.")]
    timeout: Annotated[Duration, Meta(description="How long it waits before it expires.")] = "15m"
    submitted_by: Annotated[
        str,
        Meta(
            max_length=1024,
            description="User who created the workflow and so may not decide; empty if unknown.",
        ),
    ] = ""
    changes: Annotated[
        list[Line], Meta(max_length=100, description="What will change, a line for each step.")
    ] = []
    irreversible: Annotated[
        list[Annotated[str, Meta(max_length=40)]],
        Meta(max_length=100, description="Steps that cannot be undone."),
    ] = []
    ai_analysis_ref: Annotated[
        NamedRef | None, Meta(description="The AIAnalysis that recommends it.")
    ] = None
    remediation_request_ref: Annotated[
        NamedRef | None, Meta(description="The RemediationRequest that it answers.")
    ] = None
    reviewer: Annotated[
        str, Meta(max_length=253, description="Who is asked, for people; anybody may answer.")
    ] = ""
    approval_context: Annotated[
        ApprovalContext | None, Meta(description="What the analysis knows.")
    ] = None


class ApprovalStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The answer; it is given once."""

    decision: Annotated[
        Decision, Meta(description="Approved, Rejected or Expired; empty while it waits.")
    ] = Decision.NONE
    decided_by: Annotated[
        str, Meta(max_length=253, description="User who decided: your own name, as you log in.")
    ] = ""
    decided_at: Annotated[datetime | None, Meta(description="When it was decided.")] = None
    message: Annotated[Text, Meta(description="Why, for people.")] = ""
    method: Annotated[
        str, Meta(max_length=64, description="How it was decided, such as kubectl.")
    ] = ""
    plan_hash: Annotated[
        str,
        Meta(
            max_length=64,
            description="Digest that was decided about; refused when the request has another.",
        ),
    ] = ""
    conditions: Annotated[
        list[Condition], Meta(max_length=16, description="Standard conditions.")
    ] = []


class AIApprovalRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The question whether a plan, or a step, may run."""

    api_version: str = AI_APPROVAL_REQUEST.api_version
    kind: str = AI_APPROVAL_REQUEST.kind
    metadata: ObjectMeta
    spec: ApprovalSpec
    status: ApprovalStatus = ApprovalStatus()

    @property
    def is_decided(self) -> bool:
        """Return whether an answer was given."""
        return self.status.decision is not Decision.NONE


SHORT_NAME: Final = "aiar"
