"""A Kubernetes control plane on the loopback interface, for the demo and for tests.

Real etcd, API server, controllers and scheduler; only nodes and pods are fake. Built from pinned
sources on first use, then started from a cache within seconds.
"""

from deploy.local.build import Binaries, ensure_binaries
from deploy.local.cluster import LocalCluster
from deploy.local.errors import BuildError, LocalClusterError, StartError
from deploy.local.existing import ExistingCluster
from deploy.local.kubectl import ensure_kubectl

__all__ = [
    "Binaries",
    "BuildError",
    "ExistingCluster",
    "LocalCluster",
    "LocalClusterError",
    "StartError",
    "ensure_binaries",
    "ensure_kubectl",
]
