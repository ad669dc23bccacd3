"""The work directory of a cluster: who may use it, what is in it, what is left behind.

Only the names listed here are ever removed, and only from a directory that carries our mark, so
that a directory which was named by mistake loses nothing.
"""

import fcntl
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from deploy.local import flags
from deploy.local.build import Binaries
from deploy.local.certs import load_cluster_authority, load_or_create_pki
from deploy.local.errors import LocalClusterError
from deploy.local.flags import Layout
from deploy.local.kubeconfig import write_kubeconfig
from deploy.local.pod_logs import render_pod_logs
from deploy.local.ports import choose_ports

MARK: Final = ".mendflow-cluster"
STATE_FILE: Final = "cluster.json"
AUDIT_LOG: Final = "audit.log"
LOGS: Final = "logs"
PKI: Final = "pki"
KUBECONFIGS: Final = "kubeconfigs"
POD_LOGS: Final = "pod-logs.yaml"
DATA: Final = ("etcd", PKI, KUBECONFIGS, POD_LOGS, STATE_FILE)
"""What a stopped cluster has no more use for."""
RECORDS: Final = (LOGS, AUDIT_LOG)
"""What stays readable after a stop, until the next start."""


class WorkDir:
    """A directory that at most one running cluster owns."""

    def __init__(self, path: Path, *, keep: bool) -> None:
        """Name the directory; nothing is touched yet.

        Args:
            path: The directory, made when it is missing.
            keep: Whether data outlives the cluster.
        """
        self.path = path
        self.audit_log = path / AUDIT_LOG
        self._keep = keep
        self._lock: IO[str] | None = None

    def acquire(self) -> None:
        """Take the directory for as long as this process lives.

        Raises:
            LocalClusterError: Another cluster runs in it, or it holds files that are not ours.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        foreign = [name for name in (*DATA, *RECORDS) if (self.path / name).exists()]
        if foreign and not (self.path / MARK).exists():
            message = (
                f"{self.path} is no cluster's directory, yet holds {', '.join(foreign)}; "
                "name another directory, or an empty one"
            )
            raise LocalClusterError(message)
        lock = (self.path / MARK).open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            message = f"a cluster is running in {self.path}; stop it, or name another directory"
            raise LocalClusterError(message) from None
        self._lock = lock

    def release(self, *, remove_data: bool = True) -> None:
        """Give the directory back, without its data unless it is to be kept."""
        if remove_data and not self._keep:
            self._remove(DATA)
        # Without a running cluster there is no address either.
        self._remove((STATE_FILE,))
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def prepare(self, binaries: Binaries) -> Layout:
        """Make everything that the components read, on fresh ports."""
        self._remove(RECORDS if self._keep else (*DATA, *RECORDS))
        (self.path / LOGS).mkdir()
        pki = load_or_create_pki(self.path / PKI)
        layout = Layout(work_dir=self.path, binaries=binaries, pki=pki, ports=choose_ports())
        for user, groups in flags.USERS.items():
            written = write_kubeconfig(
                layout.kubeconfigs,
                authority=pki.cluster,
                server=layout.server,
                user=user,
                groups=groups,
            )
            written.rename(layout.kubeconfig(user))
        layout.pod_logs.write_text(render_pod_logs())
        state = {"server": layout.server, "kubeconfig": str(layout.kubeconfig(flags.ADMIN))}
        (self.path / STATE_FILE).write_text(json.dumps(state))
        return layout

    def _remove(self, names: tuple[str, ...]) -> None:
        for name in names:
            place = self.path / name
            if place.is_dir():
                shutil.rmtree(place)
            else:
                place.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class RunningCluster:
    """A cluster that another process runs, as far as its directory tells."""

    work_dir: Path
    server: str
    kubeconfig: Path

    def kubeconfig_for(self, user: str, *, groups: tuple[str, ...] = ()) -> Path:
        """Return a kubeconfig for a user of that cluster."""
        return write_kubeconfig(
            self.work_dir / KUBECONFIGS,
            authority=load_cluster_authority(self.work_dir / PKI),
            server=self.server,
            user=user,
            groups=groups,
        )


def find_running(work_dir: Path) -> RunningCluster:
    """Return the cluster that runs in a directory.

    Raises:
        LocalClusterError: None does.
    """
    if not (_is_held(work_dir / MARK) and (work_dir / STATE_FILE).exists()):
        message = f"no cluster is running in {work_dir}; start one with `python -m deploy.local up`"
        raise LocalClusterError(message)
    state = json.loads((work_dir / STATE_FILE).read_text())
    return RunningCluster(
        work_dir=work_dir, server=state["server"], kubeconfig=Path(state["kubeconfig"])
    )


def _is_held(mark: Path) -> bool:
    """Say whether a living process holds the mark; what a killed one wrote proves nothing."""
    if not mark.exists():
        return False
    with mark.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
