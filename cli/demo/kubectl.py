"""kubectl, as a person would call it."""

import subprocess
from pathlib import Path
from typing import Final

from cli.demo.errors import DemoError

_LONGEST_S: Final = 360.0


class Kubectl:
    """kubectl with one kubeconfig and one namespace."""

    def __init__(self, program: str | Path, kubeconfig: str | Path, namespace: str = "") -> None:
        self._prefix = [str(program), f"--kubeconfig={kubeconfig}"]
        if namespace:
            self._prefix.append(f"--namespace={namespace}")

    def run(self, *words: str, given: str = "") -> str:
        """Run a command, with what it is given on its input, and return its output.

        Raises:
            DemoError: It failed; the message is what kubectl said.
        """
        try:
            done = subprocess.run(  # noqa: S603 - the kubectl that was found, and our own words
                [*self._prefix, *words],
                check=False,
                capture_output=True,
                text=True,
                input=given,
                timeout=_LONGEST_S,
            )
        except subprocess.TimeoutExpired:
            message = f"`kubectl {' '.join(words)}` did not end within {_LONGEST_S:.0f} s"
            raise DemoError(message) from None
        if done.returncode != 0:
            message = f"`kubectl {' '.join(words)}` failed: {done.stderr.strip()}"
            raise DemoError(message)
        return done.stdout
