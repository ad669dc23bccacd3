"""What a person asks of a running workflow, and steps that end when the test says so."""

import json
import time
from collections.abc import Callable
from typing import Any, TypeVar

from tests.support.kubectl import Kubectl, Object, eventually
from tests.support.workflows import deployment

T = TypeVar("T")
PERIOD_S = 4.0
"""Longer than the period in which each service of a test walks over its workflows."""


def ask(kubectl: Kubectl, name: str, verb: str | None) -> None:
    """Write a verb into a workflow's spec, or take it out."""
    patch = json.dumps({"spec": {"control": verb}})
    kubectl.ok("patch", "wfe", name, "--type=merge", "-p", patch)


def answered(kubectl: Kubectl, name: str, verb: str | None) -> Object:
    """Wait until the verb is taken up and return the workflow."""

    def taken_up(wfe: Object) -> bool:
        control = wfe.get("status", {}).get("control", {})
        current = control.get("generation") == wfe["metadata"]["generation"]
        return bool(current and control.get("verb") == verb)

    return eventually(lambda: kubectl.get("wfe", name), taken_up)


def release(kubectl: Kubectl, *targets: str) -> None:
    """Make the Deployments that held steps wait for; they are available at once."""
    for target in targets:
        kubectl.apply(deployment(target, replicas=0))


def told(kubectl: Kubectl, name: str, reason: str) -> Object:
    """Wait for an Event about a workflow and return it."""

    def about(event: Object) -> bool:
        return (event["involvedObject"]["name"], event["reason"]) == (name, reason)

    found = eventually(lambda: [event for event in kubectl.items("events") if about(event)], bool)
    return found[0]


def steps_of(wfe: Object) -> dict[str, Object]:
    """Return the steps in the status by name."""
    return {step["name"]: step for step in wfe.get("status", {}).get("steps", [])}


def condition(wfe: Object, kind: str) -> Object:
    """Return one condition, empty when there is none."""
    found = wfe.get("status", {}).get("conditions", [])
    return next((each for each in found if each["type"] == kind), {})


def executions(kubectl: Kubectl, name: str) -> list[Object]:
    """Return the executions of a workflow in the order of their fences."""
    found = kubectl.items("kex", selector=f"kubernaut.ai/workflow={name}")
    return sorted(found, key=lambda execution: int(execution["spec"]["fence"]))


def step_names(found: list[Object]) -> list[str]:
    """Return the names of the steps that executions belong to."""
    return [execution["spec"]["stepName"] for execution in found]


def in_phase(kubectl: Kubectl, name: str, **phases: str) -> Object:
    """Wait until steps are in these phases and return the workflow."""

    def there(wfe: Object) -> bool:
        steps = steps_of(wfe)
        return all(steps.get(step, {}).get("phase") == phase for step, phase in phases.items())

    return eventually(lambda: kubectl.get("wfe", name), there)


def claimed(kubectl: Kubectl, name: str, step: str) -> Object:
    """Wait until an executor has taken up a step's execution and return that."""
    found = eventually(
        lambda: {each["spec"]["stepName"]: each for each in executions(kubectl, name)},
        lambda found: bool(found.get(step, {}).get("status", {}).get("claimedBy")),
    )
    execution: dict[str, Any] = found[step]
    return execution


def throughout(
    read: Callable[[], T], holds: Callable[[T], bool], *, seconds: float = PERIOD_S
) -> T:
    """Read for more than a period, in which something must hold; return what was read last."""
    end = time.monotonic() + seconds
    while True:
        found = read()
        assert holds(found), found
        if time.monotonic() > end:
            return found
        time.sleep(0.1)
