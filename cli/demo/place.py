"""The demo's work folder: who holds it, what runs there, what is left behind.

A folder is only ever removed when it carries our mark, so one that was named by mistake loses
nothing. The mark is locked by the process that hosts the demo, for as long as that lives.
"""

import fcntl
import os
import shutil
from pathlib import Path
from typing import Final

import msgspec

from cli.demo.errors import DemoError

ROOT: Final = Path(__file__).resolve().parents[2]
EXAMPLES: Final = ROOT / "examples"
CRDS: Final = ROOT / "deploy" / "crds"
ADMISSION: Final = ROOT / "deploy" / "admission"
ACTIONS: Final = ROOT / "deploy" / "rbac" / "actions.yaml"
DEFAULT: Final = ROOT / "out" / "demo"
_MARK: Final = ".mendflow-demo"


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A running demo: where everything is."""

    pid: int
    kubeconfig: str
    kubectl: str
    nats_cli: str
    """Empty when there is none."""
    nats_url: str
    namespace: str
    context: str
    """Context of the user's cluster; empty for one of our own."""
    health_ports: dict[str, int]
    """Where each service answers /healthz and /readyz."""
    metrics_ports: dict[str, int]
    kept: bool = False
    """Whether it goes on after the command that started it."""


class Place:
    """One work folder."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.logs = self.root / "logs"
        self.host_log = self.logs / "host.log"
        self.cluster = self.root / "cluster"
        self.nats = self.root / "nats"
        self._state = self.root / "state.json"

    def prepare(self) -> None:
        """Make the folder, empty.

        Raises:
            DemoError: It holds files that are not ours.
        """
        if self.root.exists() and any(self.root.iterdir()) and not self._is_ours():
            message = (
                f"{self.root} holds files that are not the demo's; name another folder with --dir"
            )
            raise DemoError(message)
        self.clear()
        try:
            self.logs.mkdir(parents=True)
            (self.root / _MARK).touch()
        except OSError as error:
            message = f"cannot write to {self.root}: {error.strerror}; name another with --dir"
            raise DemoError(message) from error

    def clear(self) -> None:
        """Remove the folder with everything in it."""
        if self._is_ours():
            shutil.rmtree(self.root)

    def hold(self) -> None:
        """Hold the folder until this process is gone, with whatever it still has to do.

        Raises:
            DemoError: Another process holds it.
        """
        mark = os.open(self.root / _MARK, os.O_WRONLY)
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(mark)
            message = f"another demo runs in {self.root}; end it, or name another with --dir"
            raise DemoError(message) from None

    def is_held(self) -> bool:
        """Return whether a living process hosts a demo here."""
        if not self._is_ours():
            return False
        with (self.root / _MARK).open() as mark:
            try:
                fcntl.flock(mark, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def write(self, state: State) -> None:
        """Store what runs here, all of it or nothing."""
        draft = self._state.with_suffix(".new")
        draft.write_bytes(msgspec.json.encode(state))
        draft.rename(self._state)

    def read(self) -> State | None:
        """Return what runs here, or None before everything has started."""
        try:
            return msgspec.json.decode(self._state.read_bytes(), type=State)
        except FileNotFoundError:
            return None

    def _is_ours(self) -> bool:
        return (self.root / _MARK).exists()
