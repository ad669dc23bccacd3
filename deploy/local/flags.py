"""The command lines of the components.

Everything listens on the loopback interface only and speaks TLS. Nothing here starts anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.build import Binaries
from deploy.local.certs import Pki
from deploy.local.kubeconfig import file_name
from deploy.local.ports import LOOPBACK, Ports

RESOURCES: Final = Path(__file__).parent
SERVICE_RANGE: Final = "10.96.0.0/16"
# The hard limit of etcd is 8 GiB; half of it holds some million objects of ours.
QUOTA_BYTES: Final = 4 * 1024**3

ETCD: Final = "etcd"
APISERVER: Final = "kube-apiserver"
CONTROLLER_MANAGER: Final = "kube-controller-manager"
SCHEDULER: Final = "kube-scheduler"
KWOK: Final = "kwok"

ADMIN: Final = "admin"
CONTROLLER_MANAGER_USER: Final = f"system:{CONTROLLER_MANAGER}"
SCHEDULER_USER: Final = f"system:{SCHEDULER}"
USERS: Final[Mapping[str, tuple[str, ...]]] = {
    ADMIN: ("system:masters",),
    KWOK: ("system:masters",),
    # These two have their rights by name, from the roles that every API server starts with.
    CONTROLLER_MANAGER_USER: (),
    SCHEDULER_USER: (),
}
"""The users that components act as, and their groups."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything that the command lines are made from."""

    work_dir: Path
    binaries: Binaries
    pki: Pki
    ports: Ports

    @property
    def server(self) -> str:
        """The address of the API server."""
        return f"https://{LOOPBACK}:{self.ports.apiserver}"

    @property
    def etcd_endpoint(self) -> str:
        """The address of etcd."""
        return f"https://{LOOPBACK}:{self.ports.etcd}"

    @property
    def etcd_data(self) -> Path:
        """The directory that holds everything the cluster remembers."""
        return self.work_dir / "etcd"

    @property
    def audit_log(self) -> Path:
        """The file that the API server writes its audit log to."""
        return self.work_dir / "audit.log"

    @property
    def pod_logs(self) -> Path:
        """The file that tells kwok what fake containers have written."""
        return self.work_dir / "pod-logs.yaml"

    @property
    def kubeconfigs(self) -> Path:
        """The directory of the kubeconfig files."""
        return self.work_dir / "kubeconfigs"

    def kubeconfig(self, user: str) -> Path:
        """Return the file with the identity of a component."""
        return self.kubeconfigs / file_name(user)


def etcd_command(layout: Layout, *, unsafe_no_fsync: bool) -> tuple[str, ...]:
    """Return the command line of etcd.

    Args:
        layout: The cluster.
        unsafe_no_fsync: Do not wait for the disk. A killed process loses nothing by that, since
            the kernel has its writes; a machine that loses power does.
    """
    peer = f"https://{LOOPBACK}:{layout.ports.etcd_peer}"
    server, authority = layout.pki.etcd_server, layout.pki.etcd.files.certificate
    return (
        str(layout.binaries.etcd),
        "--name=etcd",
        f"--data-dir={layout.etcd_data}",
        f"--listen-client-urls={layout.etcd_endpoint}",
        f"--advertise-client-urls={layout.etcd_endpoint}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=etcd={peer}",
        f"--cert-file={server.certificate}",
        f"--key-file={server.key}",
        f"--trusted-ca-file={authority}",
        "--client-cert-auth=true",
        f"--peer-cert-file={server.certificate}",
        f"--peer-key-file={server.key}",
        f"--peer-trusted-ca-file={authority}",
        "--peer-client-cert-auth=true",
        f"--quota-backend-bytes={QUOTA_BYTES}",
        f"--unsafe-no-fsync={str(unsafe_no_fsync).lower()}",
        "--log-level=warn",
    )


def apiserver_command(layout: Layout, *, audit: bool, extra: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the command line of the API server; `extra` comes last and so wins."""
    pki = layout.pki
    return (
        str(layout.binaries.kube_apiserver),
        f"--bind-address={LOOPBACK}",
        f"--secure-port={layout.ports.apiserver}",
        # Only published through the endpoints that the next line turns off; without it a machine
        # that has no default route would refuse to start.
        f"--advertise-address={LOOPBACK}",
        "--endpoint-reconciler-type=none",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        f"--etcd-servers={layout.etcd_endpoint}",
        f"--etcd-cafile={pki.etcd.files.certificate}",
        f"--etcd-certfile={pki.etcd_client.certificate}",
        f"--etcd-keyfile={pki.etcd_client.key}",
        f"--client-ca-file={pki.cluster.files.certificate}",
        f"--tls-cert-file={pki.server.certificate}",
        f"--tls-private-key-file={pki.server.key}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki.service_accounts.certificate}",
        f"--service-account-signing-key-file={pki.service_accounts.key}",
        "--authorization-mode=Node,RBAC",
        "--anonymous-auth=false",
        "--allow-privileged=true",
        "--profiling=false",
        "--shutdown-delay-duration=0s",
        # Logs of pods: kwok answers for the kubelets of all nodes, at one address.
        "--kubelet-preferred-address-types=ExternalIP",
        f"--kubelet-port={layout.ports.kubelet}",
        f"--kubelet-certificate-authority={pki.cluster.files.certificate}",
        *(_audit_flags(layout) if audit else ()),
        *extra,
    )


def _audit_flags(layout: Layout) -> tuple[str, ...]:
    return (
        f"--audit-policy-file={RESOURCES / 'audit-policy.yaml'}",
        f"--audit-log-path={layout.audit_log}",
        # Rotation would take lines away from whoever is reading them.
        "--audit-log-maxsize=100000",
    )


def controller_manager_command(layout: Layout) -> tuple[str, ...]:
    """Return the command line of the controller manager, with all its default controllers."""
    pki = layout.pki
    return (
        str(layout.binaries.kube_controller_manager),
        *_serving_flags(layout, port=layout.ports.controller_manager, user=CONTROLLER_MANAGER_USER),
        # Every five seconds by default, which a node that has just become ready has to wait for.
        "--node-monitor-period=1s",
        # Every controller fetches its own token at the start; at the 20 requests a second of the
        # default that alone takes five seconds, and later it would slow down everybody's Jobs.
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={pki.service_accounts.key}",
        f"--root-ca-file={pki.cluster.files.certificate}",
        f"--cluster-signing-cert-file={pki.cluster.files.certificate}",
        f"--cluster-signing-key-file={pki.cluster.files.key}",
    )


def scheduler_command(layout: Layout) -> tuple[str, ...]:
    """Return the command line of the scheduler."""
    return (
        str(layout.binaries.kube_scheduler),
        *_serving_flags(layout, port=layout.ports.scheduler, user=SCHEDULER_USER),
    )


def _serving_flags(layout: Layout, *, port: int, user: str) -> tuple[str, ...]:
    kubeconfig = layout.kubeconfig(user)
    return (
        f"--bind-address={LOOPBACK}",
        f"--secure-port={port}",
        f"--tls-cert-file={layout.pki.server.certificate}",
        f"--tls-private-key-file={layout.pki.server.key}",
        f"--client-ca-file={layout.pki.cluster.files.certificate}",
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        # The file above says whom to trust; asking the API server would only be noise in the log.
        "--authentication-skip-lookup=true",
        # There is one of each; waiting for a lease would only make restarts slow.
        "--leader-elect=false",
        "--profiling=false",
    )


def kwok_command(layout: Layout) -> tuple[str, ...]:
    """Return the command line of kwok, with the stages beside this file and no others."""
    stages = sorted((RESOURCES / "kwok").glob("*.yaml"))
    return (
        str(layout.binaries.kwok),
        f"--kubeconfig={layout.kubeconfig(KWOK)}",
        "--manage-all-nodes=true",
        # A new kwok takes no node over before the leases of the old one have run out, so this is
        # how long pods stand still when it was killed.
        "--node-lease-duration-seconds=8",
        f"--server-address={LOOPBACK}:{layout.ports.kubelet}",
        f"--tls-cert-file={layout.pki.server.certificate}",
        f"--tls-private-key-file={layout.pki.server.key}",
        *(f"--config={file}" for file in (*stages, layout.pod_logs)),
    )
