"""`kubectl get --watch` in the background: every change of a kind, in the order it was made."""

import json
import threading
from typing import Self

from tests.support.kubectl import Kubectl, Object

FINISHED = frozenset({"Completed", "Failed", "Cancelled"})


class ExecutionWatch:
    """Follows the executions of a namespace, or of one workflow in it.

    Counts the unfinished at each change.
    """

    def __init__(self, kubectl: Kubectl, *, workflow: str = "") -> None:
        arguments = ["get", "kex", "--watch", "--output-watch-events", "-o", "json"]
        if workflow:
            arguments += ["-l", f"kubernaut.ai/workflow={workflow}"]
        self._process = kubectl.start(*arguments)
        self._phases: dict[str, str] = {}
        self.created: list[str] = []
        """Names of steps, in the order in which their executions appeared."""
        self.samples: list[int] = []
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        """Start to read."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop kubectl and read what it still said."""
        self._process.terminate()
        self._thread.join(20)
        self._process.wait(20)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def unfinished(self) -> list[str]:
        """Return the executions that have not ended, as seen by now."""
        return [name for name, phase in list(self._phases.items()) if phase not in FINISHED]

    def _read(self) -> None:
        decoder, text = json.JSONDecoder(), ""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            text += line
            try:
                event, end = decoder.raw_decode(text)
            except json.JSONDecodeError:
                continue
            text = text[end:].lstrip()
            self._note(event["object"])

    def _note(self, execution: Object) -> None:
        name = execution["metadata"]["name"]
        if name not in self._phases:
            self.created.append(execution["spec"]["stepName"])
        self._phases[name] = execution.get("status", {}).get("phase", "Pending")
        self.samples.append(len(self.unfinished()))
