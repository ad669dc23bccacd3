"""Notes how many replicas Deployments have when a workflow is planned."""

import asyncio
from collections.abc import Mapping

from services.planner.core.baselines import to_be_noted
from shared.api.groups import DEPLOYMENT
from shared.api.workflow import WorkflowExecution
from shared.errors import PermanentError
from shared.worker.context import Context

Baselines = Mapping[str, int]
"""Replicas, by name of the Deployment."""


async def baselines_of(context: Context, workflow: WorkflowExecution) -> Baselines:
    """Return the replicas of the Deployments that conditions ask about.

    One that is not there, or may not be read, is left out; whether that matters is for the
    condition to say.

    Raises:
        TransientError: when the API server gives no answer; to be tried again.
    """
    if context.checker is None:
        return {}
    names = to_be_noted(workflow.spec)
    found = await asyncio.gather(
        *(_replicas(context, workflow.metadata.namespace, name) for name in names)
    )
    return {name: each for name, each in zip(names, found, strict=True) if each is not None}


async def _replicas(context: Context, namespace: str, name: str) -> int | None:
    try:
        live = await context.cluster.read(DEPLOYMENT, name, namespace=namespace)
    except PermanentError as error:
        context.log.warning("replicas not noted", deployment=name, why=str(error))
        return None
    return None if live is None else int(live["spec"].get("replicas", 1))
