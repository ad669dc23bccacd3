"""Starting, keeping and ending the process that hosts a demo."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from cli.demo import host
from cli.demo.errors import DemoError
from cli.demo.place import ROOT, Place, State
from deploy.local.errors import tail

Say = Callable[[str], None]
_LOOK_EVERY_S: Final = 0.1
_END_S: Final = 60.0
_OURS: Final = "MENDFLOW_"
_CACHE: Final = "MENDFLOW_CACHE"


class Session:
    """One demo, from its start to its end or until it is left running."""

    def __init__(self, place: Place, *, context: str, say: Say) -> None:
        self._place = place
        self._context = context
        self._say = say
        self._host: subprocess.Popen[bytes] | None = None
        self._kept = False

    def __enter__(self) -> Self:
        """Prepare the folder; one that a kept demo runs in is freed first."""
        if self._place.is_held():
            end_kept(self._place, say=self._say)
        self._place.prepare()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End everything that was not kept; after a failure the logs stay."""
        if self._host is None or self._kept:
            return
        self._say("stopping everything")
        # What is started has to be stopped, however impatient the keyboard is.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self._end(self._host)
        finally:
            signal.signal(signal.SIGINT, before)
        if kind is None or kind is KeyboardInterrupt:
            self._place.clear()

    def start(self) -> State:
        """Start everything, saying how far it is.

        Raises:
            DemoError: Something did not start.
        """
        with self._place.host_log.open("ab") as log:
            self._host = subprocess.Popen(  # noqa: S603 - this package
                [sys.executable, "-m", host.__name__, str(self._place.root), self._context],
                cwd=ROOT,
                env=_environment(os.environ),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        told = 0
        while True:
            state, code = self._place.read(), self._host.poll()
            told = self._tell(told)
            if code is not None:
                raise DemoError(_reason(self._place.host_log))
            if state is not None:
                return state
            time.sleep(_LOOK_EVERY_S)

    def keep(self) -> None:
        """Leave everything running when this command ends."""
        state = self._place.read()
        if self._host is None or self._host.stdin is None or state is None:
            message = "there is nothing to keep: the demo has not started"
            raise DemoError(message)
        self._host.stdin.write(host.KEEP)
        self._host.stdin.close()
        self._place.write(msgspec.structs.replace(state, kept=True))
        self._kept = True

    def problem(self) -> str:
        """Return why the demo ends by itself, or nothing while it runs."""
        told = _told_error(self._place.host_log)
        ended = self._host is not None and self._host.poll() is not None
        return _reason(self._place.host_log) if told or ended else ""

    def _tell(self, told: int) -> int:
        lines = self._place.host_log.read_text(errors="replace").splitlines()
        for line in lines[told:]:
            if line.startswith("["):
                self._say(line.split("] ", 1)[-1])
        return len(lines)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdin is not None and not process.stdin.closed:
            process.stdin.close()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def end_kept(place: Place, *, say: Say) -> bool:
    """End the demo that was kept in a folder and remove it; return whether there was one.

    Raises:
        DemoError: One runs there that another command still watches, or it does not end.
    """
    if not place.is_held():
        place.clear()
        return False
    state = place.read()
    if state is None or not state.kept:
        message = (
            f"a demo is running in {place.root}; end it with Ctrl-C where it was started, or "
            "name another folder with --dir"
        )
        raise DemoError(message)
    say("stopping the demo that was kept")
    os.kill(state.pid, signal.SIGTERM)
    deadline = time.monotonic() + _END_S
    while place.is_held():
        if time.monotonic() > deadline:
            message = (
                f"process {state.pid} does not end; `kill -9 {state.pid}` ends it and all of its "
                f"processes, and {place.host_log} may say why"
            )
            raise DemoError(message)
        time.sleep(_LOOK_EVERY_S)
    place.clear()
    return True


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Leave out settings that the user's own services would read: these are the demo's."""
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith(_OURS) or name == _CACHE
    }


def _reason(log: Path) -> str:
    """Return the error that the host ended with."""
    return _told_error(log) or f"the demo's host ended by itself:\n{tail(log)}"


def _told_error(log: Path) -> str:
    text = log.read_text(errors="replace")
    return f"\n{text}".partition(f"\n{host.ERROR}")[2].strip()
