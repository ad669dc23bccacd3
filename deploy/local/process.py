"""One component as a child process that never outlives this one.

The kernel kills a child when the *thread* that started it ends, not when the process does. So
all children are started from one thread that lives as long as the interpreter; otherwise a
component restarted by a short-lived thread of a test would vanish together with that thread.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

_SHIM: Final = Path(__file__).with_name("exec_tied.py")
_DEADLY: Final = {signal.SIGKILL, signal.SIGTERM}
_STARTER: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="local-cluster-starter")


class Component:
    """A program with a fixed command line that can be started again and again."""

    def __init__(self, name: str, *, command: Sequence[str], log: Path) -> None:
        """Describe the component; nothing runs yet."""
        self.name = name
        self.log = log
        self._command = tuple(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._wanted = False
        self._lock = threading.Lock()

    @property
    def pid(self) -> int | None:
        """The process id while the component runs, else None."""
        return self._process.pid if self._process is not None and self.is_running() else None

    @property
    def exit_code(self) -> int | None:
        """What the component ended with, negative for a signal; None while it runs."""
        return None if self._process is None else self._process.poll()

    def is_running(self) -> bool:
        """Say whether the process exists; a frozen one does."""
        return self._process is not None and self._process.poll() is None

    def ended_by_itself(self) -> bool:
        """Say whether the process is gone although nobody here ended it."""
        return self._wanted and not self.is_running()

    def start(self) -> None:
        """Start the process in a group of its own, where Ctrl-C in the terminal misses it."""
        with self._lock:
            self._wanted = True
            self._start()

    def revive(self) -> None:
        """Start the process again, unless somebody ended it on purpose meanwhile."""
        with self._lock:
            if self._wanted:
                self._start()

    def _start(self) -> None:
        if not self.is_running():
            self._process = _STARTER.submit(self._spawn).result()

    def _spawn(self) -> subprocess.Popen[bytes]:
        shim = (sys.executable, "-I", "-S", str(_SHIM), str(os.getpid()))
        with self.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - a command line of ours
                (*shim, *self._command),
                cwd=self.log.parent,
                # So that no configuration of the user's own reaches kwok.
                env={**os.environ, "KWOK_WORKDIR": str(self.log.parent)},
                process_group=0,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process, if there is one; after a deadly one it stays dead."""
        with self._lock:
            if number in _DEADLY:
                self._wanted = False
            if self._process is not None:
                self._process.send_signal(number)

    def ask_to_stop(self) -> None:
        """Send SIGTERM, also to a process that a test has frozen."""
        self.send(signal.SIGTERM)
        self.send(signal.SIGCONT)

    def finish(self, *, within_s: float) -> None:
        """Wait for the end of the process; kill it when that takes too long."""
        if self._process is None:
            return
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
