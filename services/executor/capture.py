"""Captures what undoes an execution, from the target as it is before the change (R2)."""

import secrets
import string
from typing import Final

import msgspec

from services.executor.actions.handlers import HANDLERS
from services.executor.actions.handling import Material
from services.executor.core import captures, keeping, operations
from services.executor.core.captures import Mutation, stamp_of
from services.executor.core.changes import Asked, RefusedError, State, Wanted
from services.executor.core.ownership import refuse_owned
from services.executor.core.stamps import operation_of
from services.executor.keeping import KeptStates
from shared.api.enums import ErrorType, ExecutionKind, Intent
from shared.api.execution import CapturedInverse, KubernetesExecution
from shared.api.groups import REPLICA_SET, SECRET
from shared.api.parameters import (
    ActionParameters,
    ApplyManifest,
    RollbackDeployment,
    RotateSecrets,
    UpdateSecret,
)
from shared.clock import Clock
from shared.effects.catalogue import canonical, parameters_of
from shared.effects.forms import Form
from shared.effects.manifests import parsed_object
from shared.effects.problems import problems_of
from shared.effects.targets import target_of
from shared.errors import ConflictError, PermanentError, TransientError
from shared.ids import Uid
from shared.kube.port import Object, TargetCluster
from shared.kube.store import ExecutionStore
from shared.limits import GitOps

_ALPHABET: Final = string.ascii_letters + string.digits


class Captures:
    """Captures inverses for executions, with the rights of their action."""

    def __init__(
        self, cluster: TargetCluster, executions: ExecutionStore, *, clock: Clock, gitops: GitOps
    ) -> None:
        self._gitops = gitops
        self._cluster = cluster
        self._executions = executions
        self._kept = KeptStates(cluster)
        self._clock = clock

    async def at_claim(
        self, execution: KubernetesExecution, mutation: Mutation, live: Object | None
    ) -> CapturedInverse | None:
        """Return what undoes the change; None where the effect will find out why it cannot be.

        So does a claim that nothing answers: its time is to run.

        Raises:
            ConflictError: when the target moved while the change was tried.
        """
        if not is_captured(execution) or any(problems_of(mutation.parameters)):
            return None
        started = msgspec.structs.replace(
            execution.status, start_time=execution.status.start_time or self._clock.now()
        )
        begun = msgspec.structs.replace(execution, status=started)
        try:
            return await self.inverse(begun, mutation, live)
        except ConflictError:
            raise
        except (RefusedError, PermanentError, TransientError):
            return None

    async def inverse(
        self, execution: KubernetesExecution, mutation: Mutation, live: Object | None
    ) -> CapturedInverse:
        """Return what undoes the change, and keep what may not stand in a status.

        Raises:
            RefusedError: when the change cannot be made.
            PermanentError: when the API server would refuse it.
        """
        state = await self._state(execution, mutation, live)
        earlier = await self._continued(execution, state, live) if live is not None else None
        if earlier is not None:
            bare = captures.inverse_of(mutation, state, live, shown=state, kept_in="")
            return captures.continued(bare, earlier)
        shown, kept_in = state, ""
        if state.changes and keeping.belongs_in_secret(mutation.address.kind, state):
            version = live["metadata"]["resourceVersion"] if live is not None else ""
            kept_in, state = await self._kept.keep(execution, state, version=version)
            shown = await self._told(execution, state, kept_in)
        elif keeping.belongs_in_secret(mutation.address.kind, state):
            shown = State(before={}, after={})
        inverse = captures.inverse_of(mutation, state, live, shown=shown, kept_in=kept_in)
        if execution.spec.convergent and not state.changes:
            return captures.without_change(inverse)
        return inverse

    async def _state(
        self, execution: KubernetesExecution, mutation: Mutation, live: Object | None
    ) -> State:
        address, parameters = mutation.address, mutation.parameters
        if live is None:
            if isinstance(parameters, ApplyManifest):
                return await self._state_made(mutation, parameters)
            raise missing(mutation)
        if address.kind == SECRET and self._gitops is GitOps.REFUSE:
            refuse_owned(live)
        material = await self._material(execution, mutation, live)
        wanted = mutation.handler.intend(parameters, live, material)
        if isinstance(wanted, Wanted):
            return captures.state_wanted(live, wanted)
        meta = live["metadata"]
        tried = await self._cluster.dry_run(
            address.kind,
            address.name,
            _at_version(wanted, uid=meta["uid"], version=meta["resourceVersion"]),
            namespace=address.namespace,
            form=wanted.form,
            force=wanted.force,
        )
        return captures.state_tried(live, tried.object)

    async def _state_made(self, mutation: Mutation, parameters: ApplyManifest) -> State:
        address = mutation.address
        manifest = manifest_for(mutation, parameters)
        tried = await self._cluster.dry_create(address.kind, manifest, namespace=address.namespace)
        return captures.state_made(tried.object, manifest)

    async def _material(
        self, execution: KubernetesExecution, mutation: Mutation, live: Object
    ) -> Material:
        """Return what else the action decides by, as it is now."""
        namespace, stamp = mutation.address.namespace, stamp_of(execution)
        match mutation.parameters:
            case RollbackDeployment():
                listing = await self._cluster.list(REPLICA_SET, namespace=namespace)
                owned = [each for each in listing.items if _is_owned(each, live)]
                return Material(stamp=stamp, replica_sets=owned)
            case UpdateSecret(values_from=source) if source:
                found = await self._cluster.read(SECRET, source, namespace=namespace)
                return Material(stamp=stamp, source=found)
            case RotateSecrets(keys=keys, length=length):
                fresh = {
                    key: "".join(secrets.choice(_ALPHABET) for _ in range(length)) for key in keys
                }
                return Material(stamp=stamp, fresh=fresh)
            case _:
                return Material(stamp=stamp)

    async def _told(self, execution: KubernetesExecution, state: State, name: str) -> State:
        """Return what may be said of a state that is kept, and whether it goes on from another."""
        told = keeping.shown(state, name)
        attempts = await self._attempts(execution) if execution.spec.attempt > 1 else {}
        captured = [
            attempts[number].status.rollback_information
            for number in sorted(attempts, reverse=True)
        ]
        earlier = next((each for each in captured if each is not None and each.available), None)
        if earlier is None or not earlier.kept_in:
            return told
        try:
            before = await self._kept.state(earlier, namespace=execution.metadata.namespace)
        except RefusedError:
            return told
        shown = State(before=earlier.before, after=earlier.after)
        return keeping.linked(told, state, shown=shown, earlier=before)

    async def _continued(
        self, execution: KubernetesExecution, state: State, live: Object
    ) -> CapturedInverse | None:
        """Return what an earlier attempt captured, if it made this change and it still stands."""
        earlier = await self._earlier(execution, live)
        if earlier is None or earlier.target is None:
            return None
        try:
            before = await self._kept.state(earlier, namespace=execution.metadata.namespace)
        except RefusedError:
            return None
        same = earlier.target.uid == live["metadata"]["uid"]
        return earlier if captures.repeats(state, before, same_object=same) else None

    async def _earlier(
        self, execution: KubernetesExecution, live: Object
    ) -> CapturedInverse | None:
        """Return what an earlier attempt captured, if its change is on the target."""
        spec = execution.spec
        made = {
            attempt
            for attempt in range(1, spec.attempt)
            if operations.is_stamped(
                live, operation_of(execution, ExecutionKind.FORWARD, attempt=attempt)
            )
        }
        if not made:
            return None
        latest = (await self._attempts(execution)).get(max(made))
        return latest.status.rollback_information if latest is not None else None

    async def _attempts(self, execution: KubernetesExecution) -> dict[int, KubernetesExecution]:
        """Return the earlier attempts of the same step that are still there."""
        spec, uid = execution.spec, Uid(execution.spec.workflow_execution_ref.uid)
        return {
            each.spec.attempt: each
            for each in await self._executions.of_workflow(execution.metadata.namespace, uid)
            if (each.spec.step_name, each.spec.kind) == (spec.step_name, spec.kind)
            and each.spec.attempt < spec.attempt
        }


def parameters_for(execution: KubernetesExecution) -> ActionParameters | None:
    """Return the parameters of an execution's action, or None when there are none."""
    action = canonical(execution.spec.action)
    return parameters_of(action, execution.spec.parameters) if action else None


def mutation_of(execution: KubernetesExecution) -> Mutation | None:
    """Return what an execution changes; None when it changes no single object."""
    action, parameters = canonical(execution.spec.action), parameters_for(execution)
    if action is None or action not in HANDLERS or parameters is None:
        return None
    address = target_of(action, parameters, execution.metadata.namespace)
    if address is None:
        return None
    return Mutation(action=action, parameters=parameters, address=address, handler=HANDLERS[action])


def is_captured(execution: KubernetesExecution) -> bool:
    """Return whether what undoes an execution is captured before it acts."""
    return execution.spec.intent is Intent.RUN and not is_captured_undo(execution)


def is_captured_undo(execution: KubernetesExecution) -> bool:
    """Return whether an execution restores what another one captured."""
    undo = execution.spec.rollback_of
    return undo is not None and undo.target is not None


def manifest_for(mutation: Mutation, parameters: ApplyManifest) -> Object:
    """Return the object of a manifest, in the namespace it is for."""
    body = parsed_object(parameters.manifest)
    namespace = {"namespace": mutation.address.namespace}
    return body | {"metadata": body["metadata"] | namespace}


def missing(mutation: Mutation) -> RefusedError:
    """Return that the target of a change is not there."""
    return RefusedError(ErrorType.RESOURCE_NOT_FOUND, f"{mutation.address} does not exist")


def _at_version(wanted: Asked, *, uid: str, version: str) -> object:
    """Return the body of a patch that only holds for one version of its target."""
    if wanted.form is Form.JSON:
        # Not "test": a patch that fails one is refused as wrong, not as out of date.
        marks = {"uid": uid, "resourceVersion": version}
        return [
            *wanted.body,
            *(
                {"op": "add", "path": f"/metadata/{key}", "value": each}
                for key, each in marks.items()
            ),
        ]
    meta = dict(wanted.body.get("metadata") or {}) | {"uid": uid, "resourceVersion": version}
    return wanted.body | {"metadata": meta}


def _is_owned(replica_set: Object, live: Object) -> bool:
    owners = replica_set["metadata"].get("ownerReferences", [])
    return any(owner["uid"] == live["metadata"]["uid"] for owner in owners)
