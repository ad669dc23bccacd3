"""Steps with conditions, as a person writes them, and the ConfigMap that holds policies."""

import json
from collections.abc import Mapping
from typing import Final

from tests.support.control import steps_of
from tests.support.kubectl import Kubectl, Object, eventually
from tests.support.services import Services

CONFIG_MAP: Final = "kubernaut-workflow-conditions"
FOLLOWERS: Final = ("planner", "orchestrator", "monitor", "rollback")
"""Services that follow it."""
ENDLESS: Final = (
    f"xs := {list(range(1000))}\n"
    "allow if { some a in xs; some b in xs; some c in xs; a + b + c < 0 }"
)


def inline(rules: str, *, package: str = "precondition.mine") -> str:
    """Return a policy that holds these rules."""
    return f"package {package}\n\nimport rego.v1\n\n{rules}\n"


YES: Final = inline("allow := true")
NO: Final = inline('default allow := false\n\nerror_message := "not today"')


def condition(
    kind: str, rego: str | None = None, *, required: bool = True, timeout: str | None = None
) -> Object:
    """Return a condition of a step."""
    found: Object = {"type": kind, "description": f"{kind} holds", "required": required}
    found |= {"rego": rego} if rego else {}
    return found | ({"timeout": timeout} if timeout else {})


def before(step: Object, *conditions: Object) -> Object:
    """Return a step with preconditions."""
    return step | {"preConditions": list(conditions)}


def after(step: Object, *conditions: Object) -> Object:
    """Return a step with postconditions."""
    return step | {"postConditions": list(conditions)}


def results(wfe: Object, step: str) -> dict[str, Object]:
    """Return what became of the conditions of a step, by type."""
    found = steps_of(wfe).get(step, {})
    lists = ("preConditionResults", "postConditionResults")
    return {each["conditionType"]: each for key in lists for each in found.get(key, [])}


def verdicts(wfe: Object, step: str) -> dict[str, tuple[bool, bool]]:
    """Return of each condition of a step whether it was evaluated, and whether it held."""
    return {kind: (r["evaluated"], r["passed"]) for kind, r in results(wfe, step).items()}


def events(kubectl: Kubectl, name: str, reason: str) -> list[str]:
    """Return what Events of a reason say about an object."""
    return [
        each["message"]
        for each in kubectl.items("events")
        if each["reason"] == reason and each["involvedObject"]["name"] == name
    ]


def told(kubectl: Kubectl, name: str, reason: str) -> str:
    """Wait for an Event about an object and return what it says."""
    return eventually(lambda: events(kubectl, name, reason), bool)[0]


def put_policies(kubectl: Kubectl, version: str, data: Mapping[str, str]) -> None:
    """Write a version of the policies, in the place of the one before."""
    metadata = {"name": CONFIG_MAP, "labels": {"version": version, "component": "policies"}}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(data)}
    # Last applied, an annotation would hold all of it once more.
    kubectl.ok("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(body))


def wait_said(services: Services, word: str, event: str) -> None:
    """Wait until all services that follow the policies logged an event that speaks of a word."""
    for service in FOLLOWERS:
        eventually(
            lambda service=service: services.lines(service),  # type: ignore[misc]
            lambda lines: any(
                line["event"] == event and word in json.dumps(line) for line in lines
            ),
        )
