"""What adjustments make of a plan: the next revision, or a reason why they are refused.

Pure. An adjustment is accepted or refused as a whole, and once: each gets one entry in the
status. Steps that have begun are never touched, and the candidate is validated like a
workflow that was written this way from the start.
"""

from datetime import datetime
from typing import Final

import msgspec

from services.planner.core.approving import needed, with_approval
from services.planner.core.conditions import NONE_UNUSABLE, Unusable
from services.planner.core.defects import Defect, step_path
from services.planner.core.job_templates import NO_JOBS, Jobs
from services.planner.core.plan import initial_steps, make_plan
from services.planner.core.validate import validate
from shared.api.enums import TERMINAL_PHASES
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Adjustment, WorkflowDefinition
from shared.api.workflow_status import AdaptiveAdjustment, ExecutionPlan, WorkflowStatus
from shared.expressions.due import is_due, undecided
from shared.expressions.expression import problems
from shared.limits import Limits
from shared.workflow.definition import adjusted, definition_of
from shared.workflow.graph import dependencies
from shared.workflow.readiness import WAITING_PHASES
from shared.workflow.stopping import stop_reason

_MOST_ENTRIES: Final = 50
_MAX_MESSAGE: Final = 256


def revised(
    workflow: WorkflowExecution,
    limits: Limits,
    *,
    now: datetime,
    unusable: Unusable = NONE_UNUSABLE,
    jobs: Jobs = NO_JOBS,
) -> WorkflowStatus | None:
    """Return the status with every adjustment decided that is due, or None if none is.

    Args:
        workflow: a planned workflow, as it is or as it is about to be written.
        limits: those in force.
        now: stamp of the entries, and beginning of the wait for approval.
        unusable: why policies of conditions cannot be used.
        jobs: what the cluster has for Jobs.
    """
    current = workflow
    for adjustment in undecided(workflow):
        plan, room = current.status.execution_plan, len(current.status.adaptive_adjustments)
        if plan is None or room >= _MOST_ENTRIES:
            break
        unreadable = _condition_problem(current, adjustment)
        if not unreadable and not is_due(current, adjustment):
            continue
        problem = unreadable or _problem(current, adjustment, limits, unusable, jobs)
        if problem:
            entry = _entry(adjustment, plan.revision, accepted=False, reason=problem, now=now)
            status = _noted(current.status, entry)
        else:
            status = _accepted(current, plan, adjustment, limits, now=now)
        current = msgspec.structs.replace(current, status=status)
    return None if current is workflow else current.status


def _problem(
    workflow: WorkflowExecution,
    adjustment: Adjustment,
    limits: Limits,
    unusable: Unusable,
    jobs: Jobs,
) -> str:
    """Return why an adjustment cannot be accepted, or nothing."""
    found = _lateness(workflow) or _removal_problem(workflow, adjustment)
    if found:
        return found
    found = _insertion_problem(workflow, adjustment)
    if found:
        return found
    candidate = adjusted(definition_of(workflow), adjustment)
    defects = validate(
        _as_written(workflow, candidate),
        max_steps=limits.max_steps,
        max_depth=limits.max_dependency_depth,
        longest_undo=limits.rollback_step_timeout,
        unusable=unusable,
        jobs=jobs,
    )
    if not defects:
        return ""
    more = f" (and {len(defects) - 1} more)" if len(defects) > 1 else ""
    return f"{_place(defects[0], adjustment)}: {defects[0].message}{more}"


def _lateness(workflow: WorkflowExecution) -> str:
    status, stopped = workflow.status, stop_reason(workflow)
    if status.phase in TERMINAL_PHASES:
        return f"arrived after the workflow had ended ({status.phase})"
    if status.rollback is not None or stopped is not None:
        return f"arrived after the workflow was stopped ({stopped or status.phase})"
    return ""


def _condition_problem(workflow: WorkflowExecution, adjustment: Adjustment) -> str:
    if adjustment.when is None:
        return ""
    definition, adaptive = definition_of(workflow), workflow.spec.adaptive_orchestration
    inserted = (
        [each.step.name for other in adaptive.adjustments for each in other.insert]
        if (adaptive)
        else []
    )
    found = problems(
        adjustment.when,
        steps=[*(step.name for step in definition.steps), *inserted],
        variables=definition.variables,
    )
    return f"when: {found[0]}" if found else ""


def _removal_problem(workflow: WorkflowExecution, adjustment: Adjustment) -> str:
    for name in adjustment.remove:
        untouchable = _untouchable(workflow, name)
        if untouchable:
            return f"remove: {untouchable}"
    needs = dependencies(definition_of(workflow))
    for name, needed_steps in needs.items():
        lost = [need for need in needed_steps if need in adjustment.remove]
        if lost and name not in adjustment.remove:
            return f"remove: step {name!r} depends on {lost[0]!r}; remove both, or neither"
    return ""


def _insertion_problem(workflow: WorkflowExecution, adjustment: Adjustment) -> str:
    inserted = {insertion.step.name for insertion in adjustment.insert}
    for place, insertion in enumerate(adjustment.insert):
        for name in insertion.before:
            path = f"insert[{place}].before"
            if name in adjustment.remove:
                return f"{path}: step {name!r} is removed by the same adjustment"
            untouchable = "" if name in inserted else _untouchable(workflow, name)
            if untouchable:
                return f"{path}: {untouchable}"
    return ""


def _untouchable(workflow: WorkflowExecution, name: str) -> str:
    """Return why a step cannot be changed any more, or nothing."""
    step = next((each for each in workflow.status.steps if each.name == name), None)
    if step is None:
        return f"there is no step {name!r} in the plan"
    if step.phase not in WAITING_PHASES:
        return f"step {name!r} is {step.phase} already"
    if step.attempts or name in workflow.status.tokens:
        return f"step {name!r} has begun already"
    return ""


def _accepted(
    workflow: WorkflowExecution,
    before: ExecutionPlan,
    adjustment: Adjustment,
    limits: Limits,
    *,
    now: datetime,
) -> WorkflowStatus:
    candidate = _as_written(workflow, adjusted(definition_of(workflow), adjustment))
    plan = msgspec.structs.replace(
        make_plan(candidate, revision=before.revision + 1),
        adjustments=[*before.adjustments, adjustment.name],
        remediation=before.remediation,
        baselines=before.baselines,
        policy_revision=before.policy_revision,
    )
    known = {step.name: step for step in workflow.status.steps}
    steps = [known.get(fresh.name, fresh) for fresh in initial_steps(candidate, plan)]
    reason = adjustment.reason or (f"when {adjustment.when}" if adjustment.when else "")
    entry = _entry(adjustment, plan.revision, accepted=True, reason=reason, now=now)
    status = msgspec.structs.replace(
        _noted(workflow.status, entry),
        execution_plan=plan,
        plan_revision=plan.revision,
        total_steps=len(steps),
        steps=steps,
    )
    changed = msgspec.structs.replace(workflow, status=status)
    return with_approval(status, needed(changed, plan, limits, now=now))


def _as_written(workflow: WorkflowExecution, definition: WorkflowDefinition) -> WorkflowExecution:
    """Return the workflow as if its definition had been this one from the start.

    Overrides of conditions were looked at when it was planned; a step that they are for may
    be removed.
    """
    spec = msgspec.structs.replace(
        workflow.spec,
        workflow_definition=definition,
        adaptive_orchestration=None,
        condition_overrides={},
    )
    return msgspec.structs.replace(workflow, spec=spec)


def _noted(status: WorkflowStatus, entry: AdaptiveAdjustment) -> WorkflowStatus:
    return msgspec.structs.replace(
        status, adaptive_adjustments=[*status.adaptive_adjustments, entry]
    )


def _entry(
    adjustment: Adjustment, revision: int, *, accepted: bool, reason: str, now: datetime
) -> AdaptiveAdjustment:
    return AdaptiveAdjustment(
        timestamp=now,
        name=adjustment.name,
        revision=revision,
        accepted=accepted,
        adjustment=_difference(adjustment)[:_MAX_MESSAGE],
        reason=reason[:_MAX_MESSAGE],
    )


def _difference(adjustment: Adjustment) -> str:
    lines = []
    for insertion in adjustment.insert:
        before = f" before {', '.join(insertion.before)}" if insertion.before else ""
        lines.append(f"+ {insertion.step.name} ({insertion.step.action}){before}")
    return "; ".join([*lines, *(f"- {name}" for name in adjustment.remove)])


def _place(defect: Defect, adjustment: Adjustment) -> str:
    """Return where a defect is, as seen from the adjustment if it is one of its steps."""
    for place, insertion in enumerate(adjustment.insert):
        path = step_path(insertion.step.name)
        if defect.path == path or defect.path.startswith(f"{path}."):
            return f"insert[{place}].step{defect.path.removeprefix(path)}"
    return defect.path
