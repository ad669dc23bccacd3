"""Reads the RemediationRequest behind a workflow, once, when the workflow is planned."""

from http import HTTPStatus
from typing import Final

from services.planner.core import remediation
from services.planner.core.remediation import Remediation
from shared.api.groups import REMEDIATION_REQUEST
from shared.api.workflow import WorkflowExecution
from shared.errors import PermanentError
from shared.kube.port import Cluster

_FORBIDDEN: Final = HTTPStatus.FORBIDDEN.phrase


async def remediation_of(cluster: Cluster, workflow: WorkflowExecution) -> Remediation:
    """Return what expressions may know of the RemediationRequest, if there is one.

    Raises:
        TransientError: when the API server gives no answer; to be tried again.
    """
    ref = workflow.spec.remediation_request_ref
    if ref is None:
        return Remediation()
    named, namespace = f"RemediationRequest {ref.name}", workflow.metadata.namespace
    if remediation.foreign(workflow, ref):
        return remediation.absent(
            workflow, f"{named} is in another namespace; name one in {namespace}"
        )
    try:
        raw = await cluster.read(REMEDIATION_REQUEST, ref.name, namespace=namespace)
    except PermanentError as error:
        if error.reason != _FORBIDDEN:
            raise
        return remediation.absent(
            workflow, f"{named} may not be read; let the planner get remediationrequests"
        )
    if raw is None:
        return remediation.absent(
            workflow, f"there is no {named} in {namespace}; create it first, or name another"
        )
    return remediation.found(ref, raw)
