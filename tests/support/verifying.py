"""A workflow whose steps are verified, with the clock in the hands of the test."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

import msgspec

from services.monitor.core.assess import assess
from services.monitor.core.verifying import Round, Rounds, due_steps, next_round, rounds_so_far
from shared.api.enums import ExecutionPhase, StepPhase
from shared.api.execution import KubernetesExecution
from shared.api.results import ConditionResult
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import ExecutionStrategy, Step, StepCondition
from shared.api.workflow_status import StepStatus, Token
from tests.support.builders import (
    NOW,
    by_name,
    execution_of,
    make_workflow,
    planned,
    scale_step,
    with_steps,
)

Truth = Callable[[str, float], bool]
"""Whether a condition holds so many seconds after the execution completed."""
_ALWAYS: Truth = lambda _name, _seconds: True  # noqa: E731 - a value among others
_NEVER: Truth = lambda _name, _seconds: False  # noqa: E731


def condition(name: str, *, required: bool = True, timeout: str | None = None) -> StepCondition:
    """Return a postcondition of this type."""
    return StepCondition(type=name, description="it holds", required=required, timeout=timeout)


def verified_step(name: str, *conditions: StepCondition, needs: Sequence[str] = ()) -> Step:
    """Return a step with postconditions."""
    return msgspec.structs.replace(scale_step(name, needs=needs), post_conditions=list(conditions))


def started(*steps: Step, strategy: ExecutionStrategy | None = None) -> WorkflowExecution:
    """Return a workflow in which every step that needs no other one runs."""
    workflow = planned(make_workflow(steps, strategy=strategy))
    running = [step.name for step in steps if not step.depends_on]
    workflow = with_steps(workflow, dict.fromkeys(running, StepPhase.RUNNING))
    tokens = {name: Token(attempt=1, fence=1, granted_at=NOW) for name in running}
    status = msgspec.structs.replace(workflow.status, tokens=tokens, execution_start_time=NOW)
    return msgspec.structs.replace(workflow, status=status)


def done(workflow: WorkflowExecution, *names: str) -> WorkflowExecution:
    """Return the workflow after the executions of these steps completed, all of them at NOW."""
    ended = [execution_of(workflow, name, phase=ExecutionPhase.COMPLETED) for name in names]
    return looked_at(workflow, *ended)


def looked_at(
    workflow: WorkflowExecution,
    *executions: KubernetesExecution,
    rounds: Rounds | None = None,
    now: datetime = NOW,
) -> WorkflowExecution:
    """Return the workflow after a look of the monitor."""
    status = assess(workflow, by_name(*executions), now=now, rounds=rounds or {})
    return msgspec.structs.replace(workflow, status=status or workflow.status)


def asked(spec: Step, step: StepStatus, *, at: datetime, truth: Truth) -> Round:
    """Return the round that a checker would find at this time."""
    seconds, failed = (at - NOW).total_seconds(), False
    results = []
    for each in spec.post_conditions:
        holds = not failed and truth(each.type, seconds)
        results.append(
            ConditionResult(
                condition_type=each.type,
                required=each.required,
                evaluated=not failed,
                passed=holds,
                error_message="" if holds or failed else f"{each.type} is not so",
                policy_revision="v1-abc",
                attempts=0 if failed else 1,
            )
        )
        failed = failed or (each.required and not holds)
    return Round(
        attempt=step.attempts,
        number=rounds_so_far(step) + 1,
        asked_at=at,
        results=tuple(results),
    )


def rounds_due(
    workflow: WorkflowExecution, *, at: datetime, vain: Collection[str]
) -> dict[str, Round]:
    """Return the rounds that are due: what is verified in `vain` never holds, all else after 1 s.

    Args:
        workflow: as it was read.
        at: the time of the rounds.
        vain: such as `verify a` for step a.
    """
    specs = {step.name: step for step in workflow.spec.workflow_definition.steps}
    due = due_steps(workflow, now=at, woken=True)
    rounds = {}
    for step in due:
        is_young = at < (step.completion_time or at) + timedelta(seconds=1)
        holds = not is_young and f"verify {step.name}" not in vain
        truth = _ALWAYS if holds else _NEVER
        rounds[step.name] = asked(specs[step.name], step, at=at, truth=truth)
    return rounds


def one_round(
    workflow: WorkflowExecution, truth: Truth, *, at: datetime, woken: bool = False
) -> WorkflowExecution:
    """Return the workflow after a look at this time, with a round for every step that is due."""
    specs = {step.name: step for step in workflow.spec.workflow_definition.steps}
    rounds = {
        step.name: asked(specs[step.name], step, at=at, truth=truth)
        for step in due_steps(workflow, now=at, woken=woken)
    }
    return looked_at(workflow, rounds=rounds, now=at)


def lived(
    workflow: WorkflowExecution, truth: Truth, *, longest_s: float = 3600
) -> list[tuple[float, WorkflowExecution]]:
    """Return the workflow after each round, with its second, till no step is verified."""
    history, at = [], NOW
    while True:
        workflow = one_round(workflow, truth, at=at)
        history.append(((at - NOW).total_seconds(), workflow))
        due = next_round(workflow)
        if due is None or due > NOW + timedelta(seconds=longest_s):
            return history
        at = due


def step_of(workflow: WorkflowExecution, name: str) -> StepStatus:
    """Return the status of a step."""
    return next(step for step in workflow.status.steps if step.name == name)
