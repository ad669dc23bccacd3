"""An API server that does not take a request: a webhook that fails, a policy that forbids.

The backend of the webhook is a socket that hangs up on whoever calls, at once or when the
test says so: so a creation can be kept on its way for as long as a test needs.
"""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

from shared.kube.objects import new_body
from tests.support.builders import execution_of, make_workflow, notify_step, planned
from tests.support.kubectl import Kubectl, Object, eventually

_GROUP: Final = "kubernetesexecution.kubernaut.ai"
_CREATIONS: Final = {
    "apiGroups": [_GROUP],
    "apiVersions": ["*"],
    "operations": ["CREATE"],
    "resources": ["kubernetesexecutions"],
}
_CHANGES: Final = {
    "apiGroups": ["apps"],
    "apiVersions": ["*"],
    "operations": ["UPDATE"],
    "resources": ["deployments"],
}
_ADMISSION: Final = "admissionregistration.k8s.io/v1"
FORBIDDEN: Final = "not in this namespace"
"""What a policy that forbids says."""
_CONFLICT: Final = 409


class BrokenBackend:
    """Takes calls and hangs up on them."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._held: list[socket.socket] = []
        self._lock = threading.Lock()
        self._patience: int | None = None
        self.port: int = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up on everybody and stop."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(20)
        self.hang_up()

    def hold_after(self, calls: int) -> None:
        """From now on, hang up on so many calls and keep all later ones waiting."""
        with self._lock:
            self._patience = calls

    def wait_held(self, count: int) -> None:
        """Wait until so many calls are kept waiting."""
        eventually(lambda: len(self._held), lambda held: held >= count)

    def hang_up(self) -> None:
        """End the calls that wait."""
        with self._lock:
            held, self._held = self._held, []
        for connection in held:
            connection.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with self._lock:
                if self._patience is None or self._patience > 0:
                    connection.close()
                    self._patience = None if self._patience is None else self._patience - 1
                else:
                    self._held.append(connection)


@contextmanager
def failing_creations(kubectl: Kubectl, backend: BrokenBackend) -> Iterator[None]:
    """Ask the backend before any execution is created in the namespace."""
    body = _webhook(kubectl, backend, _CREATIONS)
    with _applied(kubectl, body, _creation, refused="failed calling webhook"):
        yield


@contextmanager
def failing_changes(kubectl: Kubectl, backend: BrokenBackend, target: str) -> Iterator[None]:
    """Ask the backend before any Deployment, such as this one, is changed in the namespace."""
    body = _webhook(kubectl, backend, _CHANGES)
    with _applied(kubectl, body, _change_of(target), refused="failed calling webhook"):
        yield


@contextmanager
def forbidding_policy(kubectl: Kubectl) -> Iterator[None]:
    """Forbid that executions are created in the namespace."""
    with _forbidden(kubectl, _CREATIONS, _creation, reason="Forbidden"):
        yield


@contextmanager
def forbidding_changes(kubectl: Kubectl, target: str, *, reason: str) -> Iterator[None]:
    """Forbid that any Deployment, such as this one, is changed in the namespace."""
    with _forbidden(kubectl, _CHANGES, _change_of(target), reason=reason):
        yield


@contextmanager
def _forbidden(
    kubectl: Kubectl, rule: Object, probe: Callable[[Kubectl], str], *, reason: str
) -> Iterator[None]:
    name = kubectl.namespace
    policy = {
        "apiVersion": _ADMISSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"namespaceSelector": _only(kubectl), "resourceRules": [rule]},
            "validations": [{"expression": "false", "reason": reason, "message": FORBIDDEN}],
        },
    }
    binding = {
        "apiVersion": _ADMISSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
    kubectl.apply(policy)
    with _applied(kubectl, binding, probe, refused=FORBIDDEN):
        yield
    kubectl.ok("delete", "validatingadmissionpolicy", name)


def lifted(kubectl: Kubectl) -> None:
    """Take the webhook away and wait until executions can be created again."""
    kubectl.ok("delete", "validatingwebhookconfiguration", f"broken-{kubectl.namespace}")
    eventually(lambda: _creation(kubectl), lambda said: "created" in said)


class _Tries:
    """Every request that was to change a resource of a namespace, as the audit log has it."""

    def __init__(self, log: Path, namespace: str, resource: str) -> None:
        self._log = log
        self._offset = log.stat().st_size
        self._namespace = namespace
        self._resource = resource

    def _entries(self) -> list[dict[str, Any]]:
        with self._log.open() as log:
            log.seek(self._offset)
            entries = [json.loads(line) for line in log if self._namespace in line]
        return [entry for entry in entries if self._is_about(entry.get("objectRef", {}))]

    def _is_about(self, reference: dict[str, Any]) -> bool:
        found = (reference.get("resource"), reference.get("namespace"))
        return found == (self._resource, self._namespace)


class Creations(_Tries):
    """Every try to create an execution in a namespace."""

    def __init__(self, log: Path, namespace: str) -> None:
        super().__init__(log, namespace, "kubernetesexecutions")

    def codes(self) -> list[int]:
        """Return how the API server answered each try so far, in order."""
        return [
            _code(entry)
            for entry in self._entries()
            if entry["verb"] == "create" and "dryRun" not in entry["requestURI"]
        ]


class Changes(_Tries):
    """Every try of the executor to change a Deployment in a namespace."""

    def __init__(self, log: Path, namespace: str) -> None:
        super().__init__(log, namespace, "deployments")

    def answers(self) -> list[tuple[str, int]]:
        """Return what was asked for so far, dry run or change, and the answer's code, in order.

        A conflict is left out: whatever met one was sent again on another version.
        """
        ours = [e for e in self._entries() if "fieldManager=mendflow-executor" in e["requestURI"]]
        found = [
            ("dry run" if "dryRun=All" in entry["requestURI"] else "change", _code(entry))
            for entry in ours
        ]
        return [answer for answer in found if answer[1] != _CONFLICT]


def _code(entry: dict[str, Any]) -> int:
    code: int = entry["responseStatus"]["code"]
    return code


@contextmanager
def _applied(
    kubectl: Kubectl, body: Object, probe: Callable[[Kubectl], str], *, refused: str
) -> Iterator[None]:
    """Apply a rule until the block ends; it takes a moment from its creation."""
    kubectl.apply(body)
    try:
        eventually(lambda: probe(kubectl), lambda said: refused in said)
        yield
    finally:
        kubectl.ok("delete", body["kind"], body["metadata"]["name"], "--ignore-not-found")


def _webhook(kubectl: Kubectl, backend: BrokenBackend, rule: Object) -> Object:
    return {
        "apiVersion": _ADMISSION,
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": f"broken-{kubectl.namespace}"},
        "webhooks": [
            {
                "name": "broken.tests.example",
                "admissionReviewVersions": ["v1"],
                "clientConfig": {"url": f"https://127.0.0.1:{backend.port}/"},
                "failurePolicy": "Fail",
                "namespaceSelector": _only(kubectl),
                "rules": [rule],
                "sideEffects": "None",
                "timeoutSeconds": 30,
            }
        ],
    }


def _only(kubectl: Kubectl) -> Object:
    return {"matchLabels": {"kubernetes.io/metadata.name": kubectl.namespace}}


def _change_of(target: str) -> Callable[[Kubectl], str]:
    """Return what asks the API server about a change that is not to be kept."""
    words = ("annotate", "deployment", target, "--dry-run=server", "tests.example/probe=1")

    def change(kubectl: Kubectl) -> str:
        return kubectl.run(*words).stderr

    return change


def _creation(kubectl: Kubectl) -> str:
    """Return what the API server says of an execution that is not to be kept."""
    probe = new_body(execution_of(planned(make_workflow([notify_step("probe")])), "probe"))
    probe["metadata"]["namespace"] = kubectl.namespace
    done = kubectl.run("create", "--dry-run=server", "-f", "-", stdin=json.dumps(probe))
    return done.stdout + done.stderr
