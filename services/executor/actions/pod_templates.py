"""Changes of the pods of a workload: image, resources, environment, place, restart."""

from typing import Final

import msgspec

from services.executor.actions import rollouts
from services.executor.actions.handling import (
    Handler,
    Material,
    refused,
    rollout_done,
    undone_as,
    update_done,
)
from services.executor.core.changes import Asked, Done, Object, State, Verdict, Wanted
from services.executor.core.paths import element, text, value
from shared.api.enums import Action
from shared.api.execution import CapturedInverse
from shared.api.parameters import (
    ActionParameters,
    EnableDebugMode,
    IncreaseResources,
    MigrateWorkload,
    RestartDaemonset,
    RestartDeployment,
    RestartNetwork,
    UpdateImage,
)
from shared.api.results import RestartResult, StepResult
from shared.effects.forms import Form
from shared.effects.quantities import is_less

_POD: Final = "spec.template.spec"
_RESTARTED: Final = "spec.template.metadata.annotations[kubectl.kubernetes.io/restartedAt]"
_HOSTNAME: Final = "kubernetes.io/hostname"

Restarted = RestartDeployment | RestartDaemonset | RestartNetwork


def container_of(live: Object, name: str) -> Object:
    """Return the container of that name, or the only one. Raises RefusedError."""
    containers: list[Object] = live["spec"]["template"]["spec"]["containers"]
    names = ", ".join(sorted(each["name"] for each in containers))
    what = f"{live.get('kind', 'Deployment')} {live['metadata']['name']}"
    if not name:
        if len(containers) > 1:
            raise refused(f"{what} has several containers, {names}; say which one in container")
        return containers[0]
    found = next((each for each in containers if each["name"] == name), None)
    if found is None:
        raise refused(f"{what} has no container {name!r}; it has {names}")
    return found


def _intend_image(parameters: UpdateImage, live: Object, material: Material) -> Wanted:
    del material
    found = container_of(live, parameters.container)
    path = f"{element(f'{_POD}.containers', found['name'])}.image"
    return Wanted(fields={path: text(parameters.new_image)})


def _undo_image(parameters: UpdateImage, state: State) -> tuple[Action, ActionParameters]:
    (before,) = state.before.values()
    return Action.UPDATE_IMAGE, msgspec.structs.replace(parameters, new_image=value(before))


def _intend_resources(parameters: IncreaseResources, live: Object, material: Material) -> Asked:
    del material
    found = container_of(live, parameters.container)
    asked = {
        "limits": {"cpu": parameters.cpu_limit, "memory": parameters.memory_limit},
        "requests": {"cpu": parameters.cpu_request, "memory": parameters.memory_request},
    }
    resources: dict[str, dict[str, str]] = {}
    for part, amounts in asked.items():
        known = (found.get("resources") or {}).get(part) or {}
        for name, amount in amounts.items():
            if amount is None:
                continue
            if name in known and is_less(amount, str(known[name])):
                raise refused(
                    f"{part}.{name} is {known[name]}, more than {amount}; this action only raises"
                )
            resources.setdefault(part, {})[name] = amount
    container = {"name": found["name"], "resources": resources}
    body = {"spec": {"template": {"spec": {"containers": [container]}}}}
    return Asked(form=Form.STRATEGIC, body=body)


def _intend_debug(parameters: EnableDebugMode, live: Object, material: Material) -> Wanted:
    del material
    found = container_of(live, parameters.container)
    _refuse_twice(found, parameters.variable)
    path = element(f"{element(f'{_POD}.containers', found['name'])}.env", parameters.variable)
    # The API server keeps no empty value, and one that it does not keep would look like drift.
    level = {"value": parameters.log_level} if parameters.log_level else {}
    wanted = {"name": parameters.variable} | level
    return Wanted(fields={path: text(wanted)})


def _refuse_twice(container: Object, variable: str) -> None:
    """Stop where a variable has several values: the last one counts, and it has no path."""
    count = [each["name"] for each in container.get("env") or []].count(variable)
    if count > 1:
        name = container["name"]
        raise refused(f"container {name} sets {variable} {count} times; leave one of them")


def _intend_migration(parameters: MigrateWorkload, live: Object, material: Material) -> Wanted:
    del live, material
    return Wanted(fields={f"{_POD}.nodeSelector[{_HOSTNAME}]": text(parameters.target_node)})


def _intend_restart(parameters: Restarted, live: Object, material: Material) -> Wanted:
    del parameters, live
    return Wanted(fields={_RESTARTED: text(material.stamp)})


def _judge_restart(
    parameters: Restarted, live: Object, captured: CapturedInverse | None
) -> Verdict:
    del parameters, captured
    waiting = rollouts.unsettled(live)
    if waiting is not None:
        return waiting
    status = live.get("status", {})
    replaced = status.get("updatedReplicas", status.get("updatedNumberScheduled", 0))
    result = RestartResult(pods_restarted=replaced)
    return Done(result=StepResult(success=True, restart_result=result))


IMAGE: Final = Handler(intend=_intend_image, judge=rollout_done("image"), undo=_undo_image)
RESOURCES: Final = Handler(
    intend=_intend_resources, judge=rollout_done("spec"), undo=undone_as(Action.INCREASE_RESOURCES)
)
DEBUG: Final = Handler(
    intend=_intend_debug,
    judge=update_done("config"),
    undo=undone_as(Action.ENABLE_DEBUG_MODE, log_level=""),
)
MIGRATION: Final = Handler(
    intend=_intend_migration, judge=rollout_done("spec"), undo=undone_as(Action.MIGRATE_WORKLOAD)
)
RESTART: Final = Handler(intend=_intend_restart, judge=_judge_restart)
