"""The real servers that tests share, ready with everything Mendflow installs."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.support import acting, need
from tests.support.admission import wait_until_effective

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

ROOT: Final = Path(__file__).resolve().parents[2]
CRDS: Final = ROOT / "deploy" / "crds"
RBAC: Final = ROOT / "deploy" / "rbac"
ADMISSION: Final = ROOT / "deploy" / "admission"


@contextmanager
def running_cluster(
    work_dir: Path, *, nodes: int = 3, apiserver_flags: Sequence[str] = ()
) -> Iterator["LocalCluster"]:
    """Run a control plane that knows our kinds and grants our rights."""
    need.control_plane()
    from deploy.local.cluster import LocalCluster

    with LocalCluster(work_dir, nodes=nodes, apiserver_flags=apiserver_flags) as cluster:
        install(cluster.kubeconfig)
        yield cluster


def install(kubeconfig: Path) -> None:
    """Apply what is under deploy/, and wait until it is in force."""
    from deploy.local.kinds import wait_until_served

    kubectl(kubeconfig, "apply", "-f", str(CRDS))
    names = kubectl(kubeconfig, "get", "crd", "--output=name").split()
    wait_until_served(partial(kubectl, kubeconfig), [name.partition("/")[2] for name in names])
    kubectl(kubeconfig, "apply", "-f", str(RBAC))
    kubectl(kubeconfig, "apply", "-f", "-", given=json.dumps(acting.ROLE))
    kubectl(kubeconfig, "apply", "-f", str(ADMISSION))
    wait_until_effective(kubeconfig)


def kubectl(kubeconfig: Path, *words: str, given: str | None = None) -> str:
    """Run kubectl and return what it prints; what it complains of fails the test."""
    from deploy.local.kubectl import ensure_kubectl

    done = subprocess.run(
        (ensure_kubectl(), f"--kubeconfig={kubeconfig}", *words),
        check=False,
        capture_output=True,
        text=True,
        input=given,
        timeout=60,
    )
    assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
    return done.stdout
