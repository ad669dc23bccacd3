"""The six services, each in a process of its own, as they run in a cluster."""

import os
import sys
import time
from pathlib import Path
from typing import Final, Self

from cli.demo.errors import DemoError
from cli.demo.place import ROOT
from deploy.local.errors import tail
from deploy.local.ports import choose_free_ports
from deploy.local.process import Component

NAMES: Final = ("watcher", "planner", "orchestrator", "executor", "monitor", "rollback")
_CONNECTED: Final = "streams in place"
"""What a service logs once it reaches both servers; before that its messages are lost."""
_READY_S: Final = 60.0
_LOOK_EVERY_S: Final = 0.05
_STOP_S: Final = 12.0
"""Longer than the time a service takes to finish what it holds."""


class Fleet:
    """Starts and stops the six processes, which never outlive this one."""

    def __init__(self, *, kubeconfig: Path, nats_url: str, namespace: str, logs: Path) -> None:
        ports = choose_free_ports(2 * len(NAMES))
        self.health_ports = dict(zip(NAMES, ports[: len(NAMES)], strict=True))
        self.metrics_ports = dict(zip(NAMES, ports[len(NAMES) :], strict=True))
        common = {
            "PYTHONPATH": str(ROOT),
            "MENDFLOW_KUBECONFIG": str(kubeconfig),
            "MENDFLOW_NATS_URL": nats_url,
            "MENDFLOW_NAMESPACE": namespace,
            # Nothing of the demo is outside of its namespace, its leases neither.
            "MENDFLOW_SYSTEM_NAMESPACE": namespace,
            "MENDFLOW_LOG_FORMAT": "json",
        }
        self._components = [
            Component(
                name,
                command=_command(
                    name,
                    common
                    | {
                        "MENDFLOW_HEALTH_PORT": str(self.health_ports[name]),
                        "MENDFLOW_METRICS_PORT": str(self.metrics_ports[name]),
                    },
                ),
                log=logs / f"{name}.log",
            )
            for name in NAMES
        ]

    def __enter__(self) -> Self:
        """Start all and wait until each reaches both servers. Raises DemoError with a log."""
        try:
            for component in self._components:
                component.start()
            self._wait_connected()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all."""
        self._stop()

    def check(self) -> None:
        """Raise DemoError when a service has ended by itself."""
        for component in self._components:
            if component.exit_code is not None:
                what = f"ended by itself with code {component.exit_code}"
                raise _failure(component, what)

    def _wait_connected(self) -> None:
        deadline = time.monotonic() + _READY_S
        for component in self._components:
            while _CONNECTED not in component.log.read_text(errors="replace"):
                self.check()
                if time.monotonic() > deadline:
                    raise _failure(component, f"was not ready within {_READY_S:.0f} s")
                time.sleep(_LOOK_EVERY_S)

    def _stop(self) -> None:
        for component in self._components:
            component.ask_to_stop()
        for component in self._components:
            component.finish(within_s=_STOP_S)


def _command(name: str, settings: dict[str, str]) -> tuple[str, ...]:
    variables = (f"{variable}={value}" for variable, value in settings.items())
    return ("/usr/bin/env", *variables, sys.executable, "-m", f"services.{name}")


def _failure(component: Component, what: str) -> DemoError:
    message = f"the {component.name} {what}; the end of {component.log}:{os.linesep}"
    return DemoError(message + tail(component.log))
