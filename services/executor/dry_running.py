"""Has a change judged by the API server before it is made, where its workflow asks for that.

What is tried is the request that is sent next, on the same version of the target: rights,
validation, admission and quota look at it, and nothing of it is kept.
"""

from services.executor.core import dry_runs
from services.executor.core.changes import Address
from shared.api.execution import KubernetesExecution
from shared.api.results import DryRunResults
from shared.errors import PermanentError, TransientError
from shared.kube.port import Object, TargetCluster


class DryRun:
    """The dry run of one execution."""

    def __init__(self, cluster: TargetCluster) -> None:
        self._cluster = cluster
        self._passed_on = ""
        """Version of the target on which the change would be taken."""
        self._found: DryRunResults | None = None

    @property
    def found(self) -> DryRunResults | None:
        """Return what was found last; None where nothing was tried."""
        return self._found

    async def passes(self, claim: KubernetesExecution, address: Address, body: Object) -> bool:
        """Return whether the change may be made; False when it is to be rendered anew.

        A change that passed is not tried again on the same version: it may be on its way.

        Raises:
            PermanentError: when the API server would refuse it.
        """
        version = body["metadata"]["resourceVersion"]
        if not claim.spec.dry_run or version == self._passed_on:
            return True
        try:
            tried = await self._cluster.dry_run(
                address.kind, address.name, body, namespace=address.namespace
            )
        except TransientError:
            return False
        except PermanentError as error:
            self._found = dry_runs.refused(claim, address, str(error))
            raise PermanentError(error.reason, f"dry run: {error}") from error
        self._found = dry_runs.passed(claim, address, tried.warnings)
        self._passed_on = version
        return True

    def was_before(self, claim: KubernetesExecution, address: Address) -> None:
        """Take note of a change that is made already: nobody makes one that did not pass."""
        if claim.spec.dry_run and self._found is None:
            self._found = dry_runs.passed(claim, address)
