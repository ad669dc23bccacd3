"""The mutating actions behind one set of functions, closed by type."""

from typing import assert_never

from services.executor.actions import image, restart, scale
from services.executor.core.changes import Address, Change, Object, Verdict
from shared.api.execution import CapturedInverse
from shared.api.parameters import RestartDeployment, ScaleDeployment, UpdateImage

Mutation = ScaleDeployment | RestartDeployment | UpdateImage


def address(mutation: Mutation, namespace: str) -> Address:
    """Return the object a mutation changes."""
    match mutation:
        case ScaleDeployment():
            return scale.address(mutation, namespace)
        case RestartDeployment():
            return restart.address(mutation, namespace)
        case UpdateImage():
            return image.address(mutation, namespace)
        case _:
            assert_never(mutation)


def observe(mutation: Mutation, live: Object) -> dict[str, str]:
    """Return the live values of the fields a mutation owns. Raises RefusedError."""
    match mutation:
        case ScaleDeployment():
            return scale.observe(mutation, live)
        case RestartDeployment():
            return restart.observe(mutation, live)
        case UpdateImage():
            return image.observe(mutation, live)
        case _:
            assert_never(mutation)


def render(mutation: Mutation, live: Object, *, stamp: str) -> Change:
    """Return the change a mutation makes to the live object. Raises RefusedError."""
    match mutation:
        case ScaleDeployment():
            return scale.render(mutation, live, stamp=stamp)
        case RestartDeployment():
            return restart.render(mutation, live, stamp=stamp)
        case UpdateImage():
            return image.render(mutation, live, stamp=stamp)
        case _:
            assert_never(mutation)


def judge(mutation: Mutation, live: Object, captured: CapturedInverse | None) -> Verdict:
    """Say whether the target of a mutation has settled."""
    match mutation:
        case ScaleDeployment():
            return scale.judge(mutation, live, captured)
        case RestartDeployment():
            return restart.judge(mutation, live, captured)
        case UpdateImage():
            return image.judge(mutation, live, captured)
        case _:
            assert_never(mutation)
