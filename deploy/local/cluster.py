"""One control plane: etcd, the API server, its controllers and fake nodes.

    start   etcd -> kube-apiserver -> kube-controller-manager, kube-scheduler, kwok -> nodes ready
    stop    the other way round, the clients of the API server together with it
    ended   whatever ends by itself is started again

Everything is below one work directory, listens on the loopback interface and ends with the
process that started it, however that ends. Held by tests/integration/test_local_cluster.py.
"""

import signal as signals
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from deploy.local import flags
from deploy.local.build import Binaries, ensure_binaries
from deploy.local.errors import LocalClusterError
from deploy.local.flags import Layout
from deploy.local.kubeconfig import write_kubeconfig
from deploy.local.nodes import MAX_NODES
from deploy.local.process import Component
from deploy.local.readiness import Readiness
from deploy.local.supervision import Supervisor
from deploy.local.workdir import WorkDir

STOP_WITHIN_S: Final = 5.0
LOOK_EVERY_S: Final = 0.5


class LocalCluster:
    """Start and stop of one control plane below one work directory."""

    def __init__(
        self,
        work_dir: Path,
        *,
        nodes: int = 3,
        binaries: Binaries | None = None,
        audit: bool = True,
        keep: bool = False,
        unsafe_no_fsync: bool = True,
        apiserver_flags: Sequence[str] = (),
    ) -> None:
        """Describe the cluster; nothing is built or started yet.

        Args:
            work_dir: Where everything is kept: data, certificates, logs, kubeconfig files.
            nodes: How many fake nodes there are.
            binaries: The programs to use; those of the cache, built when missing, by default.
            audit: Whether the API server writes `audit_log`.
            keep: Leave the data where it is on `stop`, and go on with it on the next `start`.
            unsafe_no_fsync: Whether etcd may skip waiting for the disk.
            apiserver_flags: More flags for the API server; they win over ours.
        """
        if not 0 <= nodes <= MAX_NODES:
            message = f"{nodes} nodes: there can be from 0 to {MAX_NODES}"
            raise ValueError(message)
        self.work_dir = work_dir.absolute()
        self._place = WorkDir(self.work_dir, keep=keep)
        self._nodes = nodes
        self._binaries = binaries
        self._audit = audit
        self._unsafe_no_fsync = unsafe_no_fsync
        self._apiserver_flags = tuple(apiserver_flags)
        self._layout: Layout | None = None
        self._components: dict[str, Component] = {}
        self._supervisor = Supervisor(())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def server(self) -> str:
        """The address of the API server, as `https://127.0.0.1:port`."""
        return self._started.server

    @property
    def etcd_endpoint(self) -> str:
        """The address of etcd; `pki/etcd-ca.crt` and `pki/etcd-client.*` open it."""
        return self._started.etcd_endpoint

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of the administrator, who may do anything."""
        return self._started.kubeconfig(flags.ADMIN)

    @property
    def audit_log(self) -> Path:
        """The audit log: one JSON object per line, see audit-policy.yaml for what is in it."""
        return self._place.audit_log

    @property
    def _started(self) -> Layout:
        if self._layout is None:
            message = "the cluster is not running; call start() first"
            raise LocalClusterError(message)
        return self._layout

    def kubeconfig_for(self, user: str, *, groups: Sequence[str] = ()) -> Path:
        """Return a kubeconfig for a user, who has no rights but those that are bound to them."""
        layout = self._started
        return write_kubeconfig(
            layout.kubeconfigs,
            authority=layout.pki.cluster,
            server=layout.server,
            user=user,
            groups=groups,
        )

    def pid(self, component: str) -> int | None:
        """Return the process id of a component, None while it is not running."""
        return self._component(component).pid

    def log(self, component: str) -> Path:
        """Return the log file of a component."""
        return self._component(component).log

    def start(self) -> None:
        """Start everything and wait until pods can be scheduled.

        Raises:
            BuildError: A program is missing and cannot be built.
            StartError: A component died or was not ready in time.
        """
        if self._layout is not None:
            return
        binaries = self._binaries or ensure_binaries()
        self._place.acquire()
        try:
            self._layout = self._place.prepare(binaries)
            self._components = self._describe_components(self._layout)
            self._bring_up(Readiness(self._layout))
            self._supervisor = Supervisor(tuple(self._components.values()))
            self._supervisor.start()
        except BaseException:
            # The data stays for this once: the error names a log to read.
            self._stop_components()
            self._layout = None
            self._place.release(remove_data=False)
            raise

    def _bring_up(self, readiness: Readiness) -> None:
        for name in (flags.ETCD, flags.APISERVER):
            self._components[name].start()
            readiness.wait_for(self._components[name])
        others = [each for each in self._components.values() if not each.is_running()]
        for component in others:
            component.start()
        readiness.create_nodes(self._nodes)
        for component in others:
            readiness.wait_for(component)
        readiness.wait_for_nodes(self._nodes, kwok=self._components[flags.KWOK])
        readiness.wait_for_service_account(self._components[flags.CONTROLLER_MANAGER])

    def stop(self) -> None:
        """End all processes and, unless told to keep them, remove the data."""
        if self._layout is None:
            return
        self._supervisor.stop()
        self._stop_components()
        self._layout = None
        self._place.release()

    def _stop_components(self) -> None:
        """End the store last: the API server takes its time to stop once etcd is gone."""
        *clients, store = reversed(self._components.values())
        for component in clients:
            component.ask_to_stop()
        for component in clients:
            component.finish(within_s=STOP_WITHIN_S)
        store.ask_to_stop()
        store.finish(within_s=STOP_WITHIN_S)
        self._components = {}

    def kill(self, component: str, signal: signals.Signals = signals.SIGKILL) -> None:
        """Send a signal to a component; after a deadly one, return when it is dead."""
        target = self._component(component)
        target.send(signal)
        if signal in {signals.SIGKILL, signals.SIGTERM}:
            target.finish(within_s=STOP_WITHIN_S)

    def restart(self, component: str) -> None:
        """Start a component again, on its port and its data; one that still runs ends first."""
        target = self._component(component)
        target.ask_to_stop()
        target.finish(within_s=STOP_WITHIN_S)
        target.start()
        Readiness(self._started).wait_for(target)

    def wait_for_loss(self) -> tuple[str, int]:
        """Block until a component ends again and again; returns its name and its exit code."""
        while (lost := self._supervisor.lost()) is None:
            time.sleep(LOOK_EVERY_S)
        return lost.name, lost.exit_code or 0

    def _component(self, name: str) -> Component:
        try:
            return self._components[name]
        except KeyError:
            known = ", ".join(self._components) or "none, the cluster is not running"
            message = f"no component is called {name!r}; there are: {known}"
            raise LocalClusterError(message) from None

    def _describe_components(self, layout: Layout) -> dict[str, Component]:
        commands = {
            flags.ETCD: flags.etcd_command(layout, unsafe_no_fsync=self._unsafe_no_fsync),
            flags.APISERVER: flags.apiserver_command(
                layout, audit=self._audit, extra=self._apiserver_flags
            ),
            flags.CONTROLLER_MANAGER: flags.controller_manager_command(layout),
            flags.SCHEDULER: flags.scheduler_command(layout),
            flags.KWOK: flags.kwok_command(layout),
        }
        logs = self.work_dir / "logs"
        return {
            name: Component(name, command=command, log=logs / f"{name}.log")
            for name, command in commands.items()
        }
