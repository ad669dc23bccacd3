"""Builders with defaults: a test says only what it is about."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from services.planner.core.plan import initial_steps, make_plan
from shared.api.enums import (
    ErrorType,
    ExecutionKind,
    ExecutionPhase,
    Phase,
    RollbackType,
    StepPhase,
)
from shared.api.execution import CapturedInverse, ExecutionResults, KubernetesExecution
from shared.api.meta import ObjectMeta
from shared.api.parameters import NotifyOnly, Parameters, ScaleDeployment
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import (
    ExecutionStrategy,
    RollbackStrategy,
    Step,
    WorkflowDefinition,
    WorkflowSpec,
)
from shared.ids import ExecutionName, Uid
from shared.workflow.executions import name_of, new_execution

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
UID = Uid("0b5f7f0e-0000-4000-8000-000000000001")


def scale_step(
    name: str, *, needs: Sequence[str] = (), critical: bool = True, replicas: int = 3
) -> Step:
    """Return a step that scales a Deployment of the same name."""
    return Step(
        name=name,
        action="scale_deployment",
        parameters=Parameters(scale_deployment=ScaleDeployment(deployment=name, replicas=replicas)),
        depends_on=list(needs),
        critical_step=critical,
    )


def notify_step(name: str, *, needs: Sequence[str] = ()) -> Step:
    """Return a step that changes nothing."""
    return Step(
        name=name,
        action="notify_only",
        parameters=Parameters(notify_only=NotifyOnly(message="hello")),
        depends_on=list(needs),
    )


def diamond() -> list[Step]:
    """Return A, then B and C, then D."""
    return [
        scale_step("a"),
        scale_step("b", needs=["a"]),
        scale_step("c", needs=["a"]),
        scale_step("d", needs=["b", "c"]),
    ]


def make_workflow(
    steps: Sequence[Step],
    *,
    rollback: RollbackType = RollbackType.NONE,
    strategy: ExecutionStrategy | None = None,
    name: str = "fix",
) -> WorkflowExecution:
    """Return a workflow that nobody has looked at yet."""
    return WorkflowExecution(
        metadata=ObjectMeta(
            name=name, namespace="default", uid=UID, resource_version="1", generation=1
        ),
        spec=WorkflowSpec(
            workflow_definition=WorkflowDefinition(steps=list(steps)),
            execution_strategy=strategy or ExecutionStrategy(),
            rollback_strategy=RollbackStrategy(type=rollback),
        ),
    )


def planned(workflow: WorkflowExecution) -> WorkflowExecution:
    """Return the workflow as the planner leaves it."""
    plan = make_plan(workflow)
    status = msgspec.structs.replace(
        workflow.status,
        phase=Phase.EXECUTING,
        planning_start_time=NOW,
        start_time=NOW,
        planning_complete_time=NOW,
        execution_plan=plan,
        total_steps=len(plan.order),
        steps=initial_steps(workflow, plan),
    )
    return msgspec.structs.replace(workflow, status=status)


def with_steps(workflow: WorkflowExecution, phases: Mapping[str, StepPhase]) -> WorkflowExecution:
    """Return the workflow with some steps in other phases."""
    steps = [
        msgspec.structs.replace(
            step,
            phase=phases.get(step.name, step.phase),
            attempts=max(step.attempts, 1 if step.name in phases else 0),
        )
        for step in workflow.status.steps
    ]
    return msgspec.structs.replace(
        workflow, status=msgspec.structs.replace(workflow.status, steps=steps)
    )


def execution_of(
    workflow: WorkflowExecution,
    step: str,
    *,
    phase: ExecutionPhase = ExecutionPhase.PENDING,
    attempt: int = 1,
    kind: ExecutionKind = ExecutionKind.FORWARD,
    claimed: bool = False,
    error: ErrorType | None = None,
    captured: CapturedInverse | None = None,
) -> KubernetesExecution:
    """Return an execution of one step in some phase."""
    spec = next(s for s in workflow.spec.workflow_definition.steps if s.name == step)
    fresh = new_execution(
        workflow,
        step,
        action=spec.action,
        parameters=spec.parameters,
        timeout="5m",
        attempt=attempt,
        fence=1,
        kind=kind,
    )
    ended = phase in {ExecutionPhase.COMPLETED, ExecutionPhase.FAILED}
    status = msgspec.structs.replace(
        fresh.status,
        phase=phase,
        claimed_by="executor-0" if claimed or ended else "",
        claim_fence=1 if claimed or ended else 0,
        start_time=NOW if claimed or ended else None,
        completion_time=NOW if ended else None,
        execution_results=ExecutionResults(success=error is None, error_type=error)
        if ended
        else None,
        rollback_information=captured,
    )
    meta = msgspec.structs.replace(fresh.metadata, uid=Uid(f"uid-of-{fresh.metadata.name}"))
    return msgspec.structs.replace(fresh, metadata=meta, status=status)


def by_name(*executions: KubernetesExecution) -> dict[ExecutionName, KubernetesExecution]:
    """Return executions keyed by name."""
    return {ExecutionName(each.metadata.name): each for each in executions}


def forward_name(workflow: WorkflowExecution, step: str, attempt: int = 1) -> ExecutionName:
    """Return the name of a step's execution."""
    return name_of(workflow, step, attempt, ExecutionKind.FORWARD)
