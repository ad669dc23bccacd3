"""The KubernetesExecution of an attempt: its name, its body, and whether one is ours.

Creator-independent: whoever creates the execution of an attempt creates the same object.
"""

from shared.api.enums import ExecutionKind, Intent
from shared.api.execution import ExecutionSpec, KubernetesExecution, RollbackOf
from shared.api.groups import WORKFLOW_EXECUTION
from shared.api.meta import (
    CORRELATION_ANNOTATION,
    ROLLBACK_LABEL,
    STEP_LABEL,
    WORKFLOW_LABEL,
    WORKFLOW_UID_LABEL,
    NamedRef,
    ObjectMeta,
    OwnerReference,
)
from shared.api.parameters import Parameters
from shared.api.workflow import WorkflowExecution
from shared.ids import ExecutionName
from shared.workflow.definition import definition_of
from shared.workflow.graph import step_numbers
from shared.workflow.names import execution_name, spec_hash

_MAX_LABEL = 63


def name_of(
    workflow: WorkflowExecution, step: str, attempt: int, kind: ExecutionKind
) -> ExecutionName:
    """Return the name of the execution of one attempt of one step."""
    return execution_name(
        workflow=workflow.metadata.name,
        uid=workflow.metadata.uid,
        step=step,
        number=step_numbers(definition_of(workflow))[step],
        attempt=attempt,
        kind=kind,
    )


def new_execution(
    workflow: WorkflowExecution,
    step_name: str,
    *,
    action: str,
    parameters: Parameters,
    timeout: str,
    attempt: int,
    fence: int,
    kind: ExecutionKind,
    intent: Intent = Intent.RUN,
    convergent: bool = False,
    dry_run: bool = False,
    rollback_of: RollbackOf | None = None,
) -> KubernetesExecution:
    """Return an execution under its derived name, owned by its workflow."""
    meta = workflow.metadata
    number = step_numbers(definition_of(workflow))[step_name]
    labels = {
        WORKFLOW_LABEL: meta.name[:_MAX_LABEL].rstrip("-."),
        WORKFLOW_UID_LABEL: str(meta.uid),
        STEP_LABEL: step_name,
    }
    if kind is ExecutionKind.ROLLBACK:
        labels[ROLLBACK_LABEL] = "true"
    return KubernetesExecution(
        metadata=ObjectMeta(
            name=name_of(workflow, step_name, attempt, kind),
            namespace=meta.namespace,
            labels=labels,
            annotations={CORRELATION_ANNOTATION: correlation_of(workflow)},
            owner_references=[owner_of(workflow)],
        ),
        spec=ExecutionSpec(
            workflow_execution_ref=NamedRef(name=meta.name, namespace=meta.namespace, uid=meta.uid),
            step_name=step_name,
            step_number=number,
            action=action,
            parameters=parameters,
            attempt=attempt,
            kind=kind,
            fence=fence,
            intent=intent,
            spec_hash=spec_hash(meta.uid, step_name, attempt, kind, action, parameters, timeout),
            timeout=timeout,
            dry_run=dry_run,
            convergent=convergent,
            rollback_of=rollback_of,
        ),
    )


def is_ours(found: KubernetesExecution, wanted: KubernetesExecution) -> bool:
    """Return whether an existing execution of that name is the one we would have created."""
    return (
        found.spec.workflow_execution_ref.uid == wanted.spec.workflow_execution_ref.uid
        and found.spec.spec_hash == wanted.spec.spec_hash
    )


def correlation_of(workflow: WorkflowExecution) -> str:
    """Return the id that follows a workflow through all services: its annotation, else its uid."""
    return workflow.metadata.annotations.get(CORRELATION_ANNOTATION, str(workflow.metadata.uid))


def owner_of(workflow: WorkflowExecution) -> OwnerReference:
    """Return the reference by which an object goes when its workflow goes."""
    return OwnerReference(
        api_version=WORKFLOW_EXECUTION.api_version,
        kind=WORKFLOW_EXECUTION.kind,
        name=workflow.metadata.name,
        uid=workflow.metadata.uid,
        controller=True,
        block_owner_deletion=True,
    )
