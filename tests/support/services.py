"""Starts the services as processes, as a user does, and kills them, as fate does."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).parent.parent.parent
_STOP_S = 20
NAMES = ("watcher", "planner", "orchestrator", "executor", "monitor", "rollback")


class ServiceProcess:
    """One service in a process of its own."""

    def __init__(self, arguments: list[str], *, environment: dict[str, str], log: Path) -> None:
        self._arguments = arguments
        self._environment = environment
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self._arguments],
                env=os.environ | self._environment,
                stdout=log,
                stderr=log,
                cwd=ROOT,
            )

    @property
    def is_alive(self) -> bool:
        """Return whether it still runs."""
        return self._process is not None and self._process.poll() is None

    def children(self) -> list[int]:
        """Return the processes that it has started and that live."""
        pid = self._running.pid
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def cpu_seconds(self) -> float:
        """Return the processor time that it and all it has started took so far."""
        ticks = sum(_ticks(pid) for pid in (self._running.pid, *self.children()))
        return ticks / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """Kill it without warning."""
        self.end(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop its clock: it neither works nor knows that it does not."""
        self._running.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on where it was."""
        self._running.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Ask it to stop and wait."""
        self.end(signal.SIGTERM)

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "it does not run"
        return self._process

    def end(self, how: signal.Signals) -> int | None:
        """Signal it, wait, and return its exit code; None when it does not run."""
        self.signal(how)
        return self.wait_ended()

    def signal(self, how: signal.Signals) -> None:
        """Signal it, if it runs."""
        if self._process is not None:
            self._process.send_signal(how)

    def wait_ended(self) -> int | None:
        """Wait until it has ended, and return its exit code; None when it does not run."""
        process, self._process = self._process, None
        if process is None:
            return None
        try:
            return process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            # Left alone, it would work against every later test.
            process.kill()
            process.wait()
            pytest.fail(f"{self.log.name}: still there {_STOP_S} s after it was to end")


class Services:
    """All six services, each in a process of its own, as many replicas as asked for."""

    def __init__(
        self,
        *,
        kubeconfig: Path,
        nats_url: str,
        namespace: str,
        logs: Path,
        replicas: int = 1,
        kubeconfigs: Mapping[str, Path] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Describe them; a service that `kubeconfigs` names acts as the user of that file."""
        logs.mkdir(parents=True, exist_ok=True)
        self.processes = {
            f"{name}-{replica}": ServiceProcess(
                ["-m", f"services.{name}"],
                environment={
                    "MENDFLOW_KUBECONFIG": str((kubeconfigs or {}).get(name, kubeconfig)),
                    "MENDFLOW_NATS_URL": nats_url,
                    "MENDFLOW_NAMESPACE": namespace,
                    "MENDFLOW_IDENTITY": f"{namespace}-{replica}",
                    "MENDFLOW_RESYNC_S": "3",
                    "MENDFLOW_QPS": "0",
                    "MENDFLOW_HEALTH_PORT": "0",
                    "MENDFLOW_METRICS_PORT": "0",
                    "MENDFLOW_LOG_FORMAT": "json",
                    "MENDFLOW_LOG_LEVEL": "debug",
                    **(environment or {}),
                },
                log=logs / f"{name}-{replica}.log",
            )
            for name in NAMES
            for replica in range(replicas)
        }

    def __enter__(self) -> Self:
        """Start all."""
        for process in self.processes.values():
            process.start()
        return self

    def wait_connected(self, seconds: float = 60) -> None:
        """Wait until every service reaches the bus; before that, its messages are lost."""
        deadline = time.monotonic() + seconds
        for name, process in self.processes.items():
            while "streams in place" not in process.log.read_text():
                assert time.monotonic() < deadline, f"{name}: {process.log.read_text()}"
                time.sleep(0.05)

    def lines(self, name: str, *, replica: int = 0) -> list[dict[str, Any]]:
        """Return what a service logged so far."""
        whole = self.processes[f"{name}-{replica}"].log.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def metrics(self, name: str) -> dict[str, float]:
        """Return the metrics of a service as they are served."""
        (port,) = (e["metrics"] for e in self.lines(name) if e["event"] == "listening")
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            samples = [line for line in answer.read().decode().splitlines() if line[0] != "#"]
        return {key: float(value) for key, value in (line.rsplit(" ", 1) for line in samples)}

    def __exit__(self, *_: object) -> None:
        """Stop all at once, also beside one that does not stop."""
        with ExitStack() as stack:
            for process in self.processes.values():
                process.signal(signal.SIGTERM)
                stack.callback(process.wait_ended)


def _ticks(pid: int) -> int:
    """Return the processor time of a process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(each) for each in fields[11:15])
