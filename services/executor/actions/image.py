"""update_image: the image of one container, undone by the image before.

The merge patch carries the whole container list, because a merge patch replaces lists; the
resourceVersion beside it makes sure that the list is still the one that was read.
"""

from services.executor.actions import rollouts
from services.executor.core.changes import Address, Change, Done, Object, RefusedError, Verdict
from shared.api.enums import Action, ErrorType
from shared.api.execution import CapturedInverse
from shared.api.groups import DEPLOYMENT
from shared.api.parameters import UpdateImage
from shared.api.results import StepResult, UpdateResult
from shared.effects.catalogue import with_parameters


def address(parameters: UpdateImage, namespace: str) -> Address:
    """Return the Deployment whose image changes."""
    return Address(
        kind=DEPLOYMENT, name=parameters.deployment, namespace=parameters.namespace or namespace
    )


def observe(parameters: UpdateImage, live: Object) -> dict[str, str]:
    """Return the live image of the container.

    Raises:
        RefusedError: when the Deployment has no such container.
    """
    containers = live["spec"]["template"]["spec"]["containers"]
    for container in containers:
        if container["name"] == parameters.container:
            return {_path(parameters): container["image"]}
    names = ", ".join(sorted(container["name"] for container in containers))
    message = (
        f"Deployment {parameters.deployment} has no container {parameters.container!r}; "
        f"it has {names}"
    )
    raise RefusedError(ErrorType.VALIDATION_ERROR, message)


def render(parameters: UpdateImage, live: Object, *, stamp: str) -> Change:
    """Return the patch of the image and its inverse.

    Raises:
        RefusedError: when the Deployment has no such container.
    """
    del stamp
    before = observe(parameters, live)
    containers = [
        {**container, "image": parameters.new_image}
        if container["name"] == parameters.container
        else container
        for container in live["spec"]["template"]["spec"]["containers"]
    ]
    return Change(
        patch={"spec": {"template": {"spec": {"containers": containers}}}},
        before=before,
        after={_path(parameters): parameters.new_image},
        rollback_action=Action.UPDATE_IMAGE,
        rollback_parameters=with_parameters(
            Action.UPDATE_IMAGE,
            UpdateImage(
                deployment=parameters.deployment,
                namespace=parameters.namespace,
                container=parameters.container,
                new_image=before[_path(parameters)],
            ),
        ),
    )


def judge(parameters: UpdateImage, live: Object, captured: CapturedInverse | None) -> Verdict:
    """Say whether every replica runs the new image."""
    waiting = rollouts.unsettled(live)
    if waiting is not None:
        return waiting
    before = captured.before.get(_path(parameters), "") if captured else ""
    return Done(
        result=StepResult(
            success=True,
            update_result=UpdateResult(
                resource_type="Deployment",
                update_type="image",
                previous_value=before,
                new_value=parameters.new_image,
            ),
        )
    )


def _path(parameters: UpdateImage) -> str:
    return f"spec.template.spec.containers[{parameters.container}].image"
