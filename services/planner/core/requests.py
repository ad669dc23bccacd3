"""What people are asked: an AIApprovalRequest for a plan, or for one step of it.

Pure, and always the same for the same question, so asking twice is asking once.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import msgspec

from shared.api.approval import AIApprovalRequest, ApprovalSpec
from shared.api.meta import (
    CORRELATION_ANNOTATION,
    SUBMITTED_BY_ANNOTATION,
    WORKFLOW_UID_LABEL,
    NamedRef,
    ObjectMeta,
)
from shared.api.parameters import Parameters
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Step
from shared.api.workflow_status import Decision
from shared.effects.catalogue import canonical
from shared.limits import Limits
from shared.workflow import durations
from shared.workflow.definition import definition_of
from shared.workflow.executions import correlation_of, owner_of
from shared.workflow.graph import step_numbers

WHOLE_PLAN: Final = ""
"""Stands for the plan where a step is named otherwise."""
_MAX_LINE: Final = 256
_MAX_NAME: Final = 253


def question(
    workflow: WorkflowExecution,
    digest: str,
    step: str,
    reason: str,
    limits: Limits,
    *,
    now: datetime,
) -> Decision:
    """Return what stands in the workflow's status before the request is created."""
    return Decision(
        reason=reason,
        digest=digest,
        request_ref=NamedRef(
            name=_name(workflow, digest, step), namespace=workflow.metadata.namespace
        ),
        expires_at=now + _timeout(workflow, limits),
    )


def request_for(
    workflow: WorkflowExecution, step: str, asked: Decision, limits: Limits
) -> AIApprovalRequest:
    """Return the question that is put to people; the same however often it is made."""
    meta, plan = workflow.metadata, workflow.status.execution_plan
    timeout = _timeout(workflow, limits)
    name = asked.request_ref.name if asked.request_ref else _name(workflow, asked.digest, step)
    return AIApprovalRequest(
        metadata=ObjectMeta(
            name=name,
            namespace=meta.namespace,
            labels={WORKFLOW_UID_LABEL: str(meta.uid)},
            annotations={CORRELATION_ANNOTATION: correlation_of(workflow)},
            owner_references=[owner_of(workflow)],
        ),
        spec=ApprovalSpec(
            workflow_execution_ref=NamedRef(name=meta.name, namespace=meta.namespace, uid=meta.uid),
            plan_hash=asked.digest,
            step=step,
            reason=asked.reason,
            total_steps=workflow.status.total_steps,
            threshold=limits.approval_threshold,
            requested_at=expiry(asked) - timeout,
            timeout=_spelt(timeout),
            submitted_by=meta.annotations.get(SUBMITTED_BY_ANNOTATION, ""),
            changes=_changes(workflow, step),
            irreversible=[
                each for each in (plan.irreversible if plan else []) if step in {WHOLE_PLAN, each}
            ],
            remediation_request_ref=workflow.spec.remediation_request_ref,
        ),
    )


def expiry(asked: Decision) -> datetime:
    """Return when waiting for an answer ends; whatever was asked has that time."""
    if asked.expires_at is None:
        message = "nobody was asked"
        raise ValueError(message)
    return asked.expires_at


def is_ours(found: AIApprovalRequest, wanted: AIApprovalRequest) -> bool:
    """Return whether a request found under our name asks what we ask, and of whom we ask it."""
    owners = {owner.uid for owner in found.metadata.owner_references}
    return wanted.metadata.owner_references[0].uid in owners and _asks(found) == _asks(wanted)


def _asks(request: AIApprovalRequest) -> tuple[str, str, str]:
    return (request.spec.plan_hash, request.spec.step, request.spec.submitted_by)


def _timeout(workflow: WorkflowExecution, limits: Limits) -> timedelta:
    own = workflow.spec.execution_strategy.approval_timeout
    return durations.parse(own) if own else limits.approval_timeout


def _spelt(length: timedelta) -> str:
    whole, rest = divmod(length, timedelta(seconds=1))
    return f"{int(length / timedelta(milliseconds=1))}ms" if rest else f"{whole}s"


def _name(workflow: WorkflowExecution, digest: str, step: str) -> str:
    meta = workflow.metadata
    identity = sha256(f"{meta.uid}/{digest}/{step}".encode()).hexdigest()[:8]
    suffix = f"-approval-{identity}"
    return meta.name[: _MAX_NAME - len(suffix)].rstrip("-.") + suffix


def _changes(workflow: WorkflowExecution, only: str) -> list[str]:
    definition = definition_of(workflow)
    numbers = step_numbers(definition)
    return [
        _line(numbers[step.name], step, _waived(workflow, step))
        for step in definition.steps
        if only in {WHOLE_PLAN, step.name}
    ]


def _waived(workflow: WorkflowExecution, step: Step) -> list[str]:
    """Return the conditions that the step requires and the workflow says need not hold."""
    stages = [
        (stage, conditions)
        for name, overrides in workflow.spec.condition_overrides.items()
        if canonical(name) is canonical(step.action)
        for stage, conditions in (
            (overrides.preconditions, step.pre_conditions),
            (overrides.postconditions, step.post_conditions),
        )
    ]
    return [
        condition.type
        for overridden, conditions in stages
        for condition in conditions
        if condition.required
        and condition.type in overridden
        and not overridden[condition.type].required
    ]


def _line(number: int, step: Step, waived: Sequence[str]) -> str:
    words = " ".join(_words(_shown(step.parameters)))
    end = f"; not required: {', '.join(waived)}"[: _MAX_LINE // 2] if waived else ""
    return f"{number} {step.name}: {step.action} {words}".strip()[: _MAX_LINE - len(end)] + end


def _shown(parameters: Parameters) -> dict[str, Any]:
    """Return what is given for the action as plain values; of those for a Secret only the keys."""
    given: dict[str, Any] = next(
        (each for each in msgspec.to_builtins(parameters).values() if each is not None), {}
    )
    if parameters.update_secret is not None:
        given |= {"data": sorted(parameters.update_secret.data)}
    return given


def _words(given: dict[str, Any]) -> Iterator[str]:
    for key, value in given.items():
        match value:
            case dict():
                yield from _words(value)
            case list() if value:
                yield f"{key}={','.join(value)}"
            case None | "" | []:
                continue
            case _:
                yield f"{key}={value}"
