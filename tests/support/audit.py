"""What the API server wrote down: every change in one namespace, by whom, in order.

The audit log is the one witness that no service can mislead: an effect that happened twice is
in it twice, whatever the objects look like afterwards. One thing it lacks: a write whose
sender died before the answer is there without its object, done or not. The next version of
the object, by whomever, shows what became of it.
"""

import json
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

Object = dict[str, Any]

OURS: Final = frozenset({"workflowexecutions", "kubernetesexecutions"})
DEPLOYMENTS: Final = "deployments"
READS: Final = frozenset({"get", "list", "watch"})
NOT_YET: Final = "Pending"
_LOOK_S: Final = 0.005
_RESTARTED: Final = "kubectl.kubernetes.io/restartedAt"


@dataclass(frozen=True)
class Change:
    """One request that was granted, with the object as it left it."""

    verb: str
    resource: str
    subresource: str
    name: str
    manager: str
    """The field manager of the request; empty when it named none."""
    object: Object

    @property
    def version(self) -> int:
        """Return the object's version: of one object, later is larger."""
        return int(self.object.get("metadata", {}).get("resourceVersion", 0))


class AuditTrail:
    """The changes in one namespace from now on."""

    def __init__(self, log: Path, namespace: str) -> None:
        self._log = log
        self._offset = log.stat().st_size
        self._marker = f'"namespace":"{namespace}"'.encode()
        self._rest = b""
        self._changes: list[Change] = []
        self.has_gaps = False
        """Whether who writes the log was killed: what it had just granted is not in it."""

    def changes(self, *resources: str) -> list[Change]:
        """Return the changes of these resources so far, in the order they were written down."""
        self._read()
        return [change for change in self._changes if change.resource in resources]

    def wait_for(self, count: int, *, seconds: float = 60) -> None:
        """Wait until services made so many changes, or until all workflows have ended."""
        deadline = time.monotonic() + seconds
        while len(self.by_services()) < count and not self._all_ended():
            assert time.monotonic() < deadline, f"{len(self.by_services())} of {count} changes"
            time.sleep(_LOOK_S)

    def by_services(self) -> list[Change]:
        """Return what the services changed: our objects and their targets."""
        found = self.changes(*OURS, DEPLOYMENTS)
        return [change for change in found if change.manager.startswith("mendflow-")]

    def add(self, resource: str, objects: Iterable[Object]) -> None:
        """Take note of objects as they were read just now."""
        for found in objects:
            name = found["metadata"]["name"]
            read = Change("get", resource, "", name, manager="", object=found)
            self._changes.append(read)

    def effects(self, target: str) -> list[str]:
        """Return every change of a Deployment's spec after its creation, as what it set."""
        states = [_state(change.object) for change in self._versions(DEPLOYMENTS, target)]
        return [_difference(*pair) for pair in pairwise(states) if pair[0] != pair[1]]

    def managers(self, target: str) -> set[str]:
        """Return who patched a Deployment; its controller updates it instead."""
        found = self._versions(DEPLOYMENTS, target)
        return {change.manager for change in found if change.verb == "patch"}

    def phases(self, resource: str, name: str) -> list[str]:
        """Return the phases that an object went through; staying in one counts once."""
        found = [
            change.object.get("status", {}).get("phase") or NOT_YET
            for change in self._versions(resource, name)
        ]
        return [phase for before, phase in pairwise([NOT_YET, *found]) if phase != before]

    def created(self, resource: str) -> list[str]:
        """Return the names that were created, one entry each time."""
        return [change.name for change in self.changes(resource) if change.verb == "create"]

    def deleted(self, resource: str) -> list[str]:
        """Return the names that were deleted."""
        verbs = {"delete", "deletecollection"}
        return [change.name for change in self.changes(resource) if change.verb in verbs]

    def unjudged(self) -> list[str]:
        """Return the executions that no recorded answer of the safety policies came before."""
        changes = self.changes("kubernetesexecutions")
        created = [change for change in changes if change.verb == "create" and change.object]
        return [change.name for change in created if not self._is_judged(change)]

    def _is_judged(self, created: Change) -> bool:
        """Return whether the workflow said that the change is allowed when it was created.

        Versions of all objects are of one count. A write that the log lacks, or lacks the
        object of, is seen in the next one.
        """
        spec = created.object["spec"]
        versions = self._versions("workflowexecutions", spec["workflowExecutionRef"]["name"])
        before = [change for change in versions if 0 < change.version < created.version]
        after = [change for change in versions if change.version > created.version]
        lost = self.has_gaps or any(not change.version for change in versions)
        seen = [*before[-1:], *(after[:1] if lost else [])]
        return any(_allows(change.object, spec) for change in seen)

    def _versions(self, resource: str, name: str) -> list[Change]:
        found = [change for change in self.changes(resource) if change.name == name]
        return sorted(found, key=lambda change: change.version)

    def _all_ended(self) -> bool:
        latest = {
            change.name: any(
                condition["type"] == "Complete" and condition["status"] == "True"
                for condition in change.object.get("status", {}).get("conditions", [])
            )
            for change in self.changes("workflowexecutions")
        }
        return bool(latest) and all(latest.values())

    def _read(self) -> None:
        with self._log.open("rb") as log:
            log.seek(self._offset)
            found = log.read()
        self._offset += len(found)
        *lines, self._rest = (self._rest + found).split(b"\n")
        granted = (_change(json.loads(line)) for line in lines if self._marker in line)
        self._changes += [change for change in granted if change is not None]


def _change(entry: Object) -> Change | None:
    """Return a line of the log as a change; None for what was refused or changed nothing."""
    reference = entry.get("objectRef", {})
    changed_nothing = entry["verb"] in READS or "dryRun=" in entry["requestURI"]
    if changed_nothing or entry.get("responseStatus", {}).get("code", 500) >= 300:
        return None
    body = entry.get("responseObject", {})
    manager = re.search(r"[?&]fieldManager=([^&]*)", entry["requestURI"])
    return Change(
        verb=entry["verb"],
        resource=reference.get("resource", ""),
        subresource=reference.get("subresource", ""),
        name=reference.get("name") or body.get("metadata", {}).get("name", ""),
        manager=manager[1] if manager else "",
        object=body,
    )


def _allows(workflow: Object, execution: Object) -> bool:
    """Return whether a workflow's status says that policies allowed this attempt."""
    status, name = workflow.get("status", {}), execution["stepName"]
    undoes = execution["kind"] == "rollback"
    steps = status.get("rollback", {}).get("steps", []) if undoes else status.get("steps", [])
    (step,) = [step for step in steps if step["name"] == name] or [{}]
    safety = step.get("safety", {})
    attempt = step.get("attempt" if undoes else "attempts")
    return (
        attempt == execution["attempt"]
        and safety.get("allowed") is True
        and bool(safety.get("policyRevision"))
    )


def _state(deployment: Object) -> dict[str, str]:
    """Return what effects may change; the generation shows that there was nothing else."""
    spec = deployment["spec"]
    template = spec["template"]
    return {
        "replicas": str(spec["replicas"]),
        "image": template["spec"]["containers"][0]["image"],
        "restarted": template.get("metadata", {}).get("annotations", {}).get(_RESTARTED, ""),
        "generation": str(deployment["metadata"]["generation"]),
    }


def _difference(before: dict[str, str], after: dict[str, str]) -> str:
    changed = [key for key in after if key != "generation" and before[key] != after[key]]
    said = [key if key == "restarted" else f"{key}={after[key]}" for key in changed]
    return " ".join(said) or "something else"
