"""Looks for what the Jobs of a workflow need, before any step runs."""

import asyncio

from services.planner.core.job_templates import Jobs, needs_jobs, templates_of
from shared.api.groups import POD_TEMPLATE, SERVICE_ACCOUNT, Kind
from shared.api.workflow import WorkflowExecution
from shared.effects import pod_templates
from shared.errors import PermanentError
from shared.kube.port import Object
from shared.worker.context import Context


async def jobs_of(context: Context, workflow: WorkflowExecution) -> Jobs:
    """Return what there is for the Jobs of a workflow.

    Raises:
        TransientError: when the API server gives no answer; to be tried again.
    """
    if not needs_jobs(workflow.spec):
        return Jobs()
    namespace, names = workflow.metadata.namespace, templates_of(workflow.spec)
    account, *templates = await asyncio.gather(
        _found(context, SERVICE_ACCOUNT, pod_templates.SERVICE_ACCOUNT, namespace),
        *(_found(context, POD_TEMPLATE, name, namespace) for name in names),
    )
    return Jobs(
        templates=dict(zip(names, templates, strict=True)),
        account=f"{account}; its Job runs under it" if isinstance(account, str) else "",
        image=""
        if context.job_image
        else "no image is configured for commands; have MENDFLOW_JOB_IMAGE set, or name a template",
    )


async def _found(context: Context, kind: Kind, name: str, namespace: str) -> Object | str:
    """Return an object, or why there is none to use."""
    try:
        found = await context.cluster.read(kind, name, namespace=namespace)
    except PermanentError as error:
        return f"{kind.kind} {name} cannot be read ({error})"
    return found or f"there is no {kind.kind} {name} in namespace {namespace}"
