"""Workflows with everything that must come of them, in a namespace of their own.

A disturbance may change when something happens, never what: so the same expectation holds
for every way of disturbing.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.acting import acting
from tests.support.audit import AuditTrail
from tests.support.kubectl import Kubectl, Object
from tests.support.ledgers import AuditedRequests
from tests.support.namespaces import make
from tests.support.workflows import deployment, diamond, failing, workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

TARGETS = ("web", "api")


@dataclass(frozen=True)
class Case:
    """One workflow, and what must come of it."""

    body: Object
    phases: Sequence[str]
    """Every phase it goes through, the last one for good."""
    steps: Mapping[str, str]
    executions: Mapping[str, str]
    """Each execution as kind/step/attempt, and the phase it ends in."""
    effects: Mapping[str, Sequence[str]]
    """What happens to each target, in order."""

    @property
    def name(self) -> str:
        """Return the workflow's name."""
        name: str = self.body["metadata"]["name"]
        return name


def diamond_case(suffix: str = "") -> Case:
    """Return the diamond on Deployments of its own."""
    return Case(
        body=workflow(f"diamond{suffix}", on(diamond(), suffix)),
        phases=["Executing", "Completed"],
        steps=dict.fromkeys("abcd", "Completed"),
        executions={f"forward/{step}/1": "Completed" for step in "abcd"},
        effects={
            f"web{suffix}": ["replicas=4", "image=registry.example/web:2"],
            f"api{suffix}": ["replicas=3", "restarted"],
        },
    )


def rollback_case(suffix: str = "-undone") -> Case:
    """Return the workflow whose third step fails, on Deployments of its own."""
    return Case(
        body=workflow(f"rollback{suffix}", on(failing(), suffix), rollback="Automatic"),
        phases=["Executing", "RollingBack", "RolledBack"],
        steps={"a": "Completed", "b": "Completed", "c": "Failed", "d": "Skipped"},
        executions={
            "forward/a/1": "Completed",
            "forward/b/1": "Completed",
            "forward/c/1": "Failed",
            "rollback/a/1": "Completed",
            "rollback/b/1": "Completed",
        },
        effects={
            f"web{suffix}": [
                "replicas=5",
                "image=registry.example/web:3",
                "image=registry.example/web:1",
                "replicas=2",
            ],
            f"api{suffix}": [],
        },
    )


def on(steps: list[Object], suffix: str) -> list[Object]:
    """Return the steps with other targets."""
    moved: list[Object] = json.loads(json.dumps(steps))
    for step in moved:
        for parameters in step["parameters"].values():
            parameters["deployment"] += suffix
    return moved


class World:
    """A namespace with the targets of some cases, watched through the audit log."""

    def __init__(self, cluster: "LocalCluster", name: str, cases: Sequence[Case]) -> None:
        from deploy.local.kubectl import ensure_kubectl

        self.cases = cases
        self.kubectl = Kubectl(cluster.kubeconfig, namespace=name, program=str(ensure_kubectl()))
        self.trail = AuditTrail(cluster.audit_log, name)
        self._audited = AuditedRequests(cluster.audit_log)

    def prepare(self, opting_in: Iterable[Object] | None = None) -> None:
        """Make the namespace, and its Deployments available.

        Args:
            opting_in: what lets actions be carried out there; None for all that there is.
        """
        space = self.kubectl.namespace
        make(self.kubectl, acting(space) if opting_in is None else opting_in)
        targets = [target for case in self.cases for target in case.effects]
        if not targets:
            return
        self._create([deployment(target) for target in targets])
        ready = "--for=jsonpath={.status.availableReplicas}=2"
        self.kubectl.ok("wait", "deployment", "--all", ready, "--timeout=120s")

    def begin(self) -> None:
        """Apply all workflows at once."""
        self._create([case.body for case in self.cases])

    def finish(self, *, seconds: int = 90) -> None:
        """Wait until all workflows have ended, and check all that was expected of them."""
        ended = ("--for=condition=Complete", f"--timeout={seconds}s")
        waited = self.kubectl.run("wait", "wfe", "--all", *ended)
        assert waited.returncode == 0, f"{waited.stderr}\n{self.story()}"
        self.check()

    def check(self) -> None:
        """Compare objects and audit log with what was expected."""
        workflows, executions = self.kubectl.items("wfe"), self.kubectl.items("kex")
        targets = self.kubectl.items("deployment")
        self.trail.add("workflowexecutions", workflows)
        self.trail.add("kubernetesexecutions", executions)
        self.trail.add("deployments", targets)
        for case in self.cases:
            (done,) = (each for each in workflows if each["metadata"]["name"] == case.name)
            held = [each for each in executions if _owner(each) == done["metadata"]["uid"]]
            self._check_objects(case, done, held)
        assert len(executions) == self._planned
        for target in targets:
            effects = self.trail.effects(target["metadata"]["name"])
            assert target["metadata"]["generation"] == 1 + len(effects), self.story()
        self.check_trail()
        told = self._audited.differences(
            self.kubectl.namespace, executions, has_gaps=self.trail.has_gaps
        )
        assert told == []

    def _check_objects(self, case: Case, done: Object, executions: list[Object]) -> None:
        status = done["status"]
        assert {step["name"]: step["phase"] for step in status["steps"]} == case.steps
        assert status.get("tokens", {}) == {}
        ends = {_label(each): each["status"]["phase"] for each in executions}
        assert ends == case.executions, self.story()
        assert len(executions) == len(case.executions)
        for each in executions:
            went = self.trail.phases("kubernetesexecutions", each["metadata"]["name"])
            assert went == ["Running", each["status"]["phase"]], self.story()

    def check_trail(self) -> None:
        """Compare what happened by now with what was expected: nothing twice, nothing more."""
        trail = self.trail
        for case in self.cases:
            assert trail.phases("workflowexecutions", case.name) == case.phases, self.story()
            for target, effects in case.effects.items():
                assert trail.effects(target) == effects, f"{target}\n{self.story()}"
                assert trail.managers(target) <= {"mendflow-executor"}
        created = trail.created("kubernetesexecutions")
        assert len(set(created)) == len(created) <= self._planned, self.story()
        assert trail.deleted("kubernetesexecutions") == []
        assert trail.unjudged() == [], self.story()

    @property
    def _planned(self) -> int:
        return sum(len(case.executions) for case in self.cases)

    def story(self) -> str:
        """Return what the services did, one line per change, for whoever reads a failure."""
        lines = [f"namespace {self.kubectl.namespace}"]
        for change in self.trail.by_services():
            status = change.object.get("status", {})
            tokens = ",".join(status.get("tokens", {}))
            steps = ",".join(f"{s['name']}:{s['phase']}" for s in status.get("steps", []))
            claim = f"{status.get('claimedBy', '')}/{status.get('claimFence', '')}"
            lines.append(
                f"{change.version} {change.manager} {change.verb} {change.name}"
                f" {status.get('phase', '')} {steps or claim} {tokens}"
            )
        return "\n".join(lines)

    def _create(self, bodies: Sequence[Object]) -> None:
        everything = {"apiVersion": "v1", "kind": "List", "items": list(bodies)}
        self.kubectl.ok("create", "-f", "-", stdin=json.dumps(everything))


def _label(execution: Object) -> str:
    spec = execution["spec"]
    return f"{spec['kind']}/{spec['stepName']}/{spec['attempt']}"


def _owner(execution: Object) -> str:
    (owner,) = execution["metadata"]["ownerReferences"]
    uid: str = owner["uid"]
    return uid
