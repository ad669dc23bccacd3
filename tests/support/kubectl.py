"""What a person does with kubectl, for tests: apply, read, wait."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

Object = dict[str, Any]
T = TypeVar("T")


class Kubectl:
    """kubectl with one kubeconfig and one namespace."""

    def __init__(self, kubeconfig: Path, *, namespace: str, program: str) -> None:
        self._prefix = [program, "--kubeconfig", str(kubeconfig), "--namespace", namespace]
        self.namespace = namespace

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run kubectl and return what it said, whatever it said."""
        return subprocess.run(
            [*self._prefix, *arguments], input=stdin, text=True, capture_output=True, check=False
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start kubectl and return the process, whose output is to be read."""
        return subprocess.Popen(
            [*self._prefix, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ok(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl, which must succeed, and return its output."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def apply(self, body: Object) -> None:
        """Apply an object."""
        self.ok("apply", "-f", "-", stdin=json.dumps(body))

    def get(self, kind: str, name: str) -> Object:
        """Return one object."""
        found: Object = json.loads(self.ok("get", kind, name, "-o", "json"))
        return found

    def items(self, kind: str, *, selector: str = "") -> list[Object]:
        """Return all objects of a kind in the namespace."""
        extra = ["-l", selector] if selector else []
        found: list[Object] = json.loads(self.ok("get", kind, "-o", "json", *extra))["items"]
        return found

    def wait_phase(self, name: str, *phases: str, seconds: float = 60) -> Object:
        """Wait until a workflow is in one of these phases and return it."""
        return eventually(
            lambda: self.get("wfe", name),
            lambda wfe: wfe.get("status", {}).get("phase") in phases,
            seconds=seconds,
        )


def eventually(read: Callable[[], T], holds: Callable[[T], bool], *, seconds: float = 60) -> T:
    """Read until something holds; fail with the last thing read."""
    deadline = time.monotonic() + seconds
    while True:
        found = read()
        if holds(found):
            return found
        assert time.monotonic() < deadline, _shown(found)
        time.sleep(0.1)


def _shown(found: object) -> str:
    told = found.get("status", found) if isinstance(found, dict) else found
    return told if isinstance(told, str) else json.dumps(told, indent=1)
