"""What the demo puts into a cluster, and takes out again when the cluster is not its own."""

from typing import Final, Self

from cli.demo.errors import DemoError
from cli.demo.kubectl import Kubectl
from cli.demo.place import ACTIONS, ADMISSION, CRDS
from cli.namespaces.opting_in import manifests
from deploy.local.kinds import wait_until_served
from shared.api.enums import Action
from shared.api.groups import (
    AI_APPROVAL_REQUEST,
    KUBERNETES_EXECUTION,
    NOTIFICATION_REQUEST,
    WORKFLOW_EXECUTION,
)
from shared.effects.identities import role_of

NAMESPACE: Final = "mendflow-demo"
_LABEL: Final = "kubernaut.ai/made-by=mendflow-demo"
_KINDS: Final = (
    WORKFLOW_EXECUTION,
    KUBERNETES_EXECUTION,
    AI_APPROVAL_REQUEST,
    NOTIFICATION_REQUEST,
)


class Installation:
    """Our kinds, the roles of actions, and a namespace for everything else."""

    def __init__(self, kubectl: Kubectl, *, remove: bool) -> None:
        """Name the cluster; nothing is touched yet.

        Args:
            kubectl: reaches the cluster.
            remove: whether the cluster outlives the demo.
        """
        self._kubectl = kubectl
        self._remove = remove
        self._made: list[tuple[str, str]] = []

    def __enter__(self) -> Self:
        """Install what is not there yet; half of it is removed again when that fails."""
        try:
            self._install()
        except BaseException:
            self._uninstall()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what was not there before."""
        self._uninstall()

    def _install(self) -> None:
        self._make_namespace()
        for kind in _KINDS:
            # Kinds that are in use are somebody's: neither changed now nor removed later.
            if self._exists("crd", kind.crd_name):
                continue
            self._made.append(("crd", kind.crd_name))
            self._kubectl.run("apply", "-f", str(CRDS / f"{kind.plural}.yaml"))
            wait_until_served(self._kubectl.run, [kind.crd_name])
        self._opt_in()
        # What a whole cluster obeys is for its owner to install.
        if not self._remove:
            self._kubectl.run("apply", "-f", str(ADMISSION))

    def _make_namespace(self) -> None:
        if self._exists("namespace", NAMESPACE):
            if not self._exists("namespace", NAMESPACE, "-l", _LABEL):
                message = (
                    f"the cluster has a namespace {NAMESPACE} that is not the demo's; rename or "
                    "remove it, the demo works in a namespace of that name"
                )
                raise DemoError(message)
            self._kubectl.run("delete", "namespace", NAMESPACE, "--timeout=120s")
        self._made.append(("namespace", NAMESPACE))
        self._kubectl.run("create", "namespace", NAMESPACE)
        self._kubectl.run("label", "namespace", NAMESPACE, _LABEL)

    def _opt_in(self) -> None:
        """Let actions be carried out in the namespace, as an admin does."""
        if not self._exists("clusterrole", role_of(Action.SCALE_DEPLOYMENT)):
            self._made.append(("-f", str(ACTIONS)))
            self._kubectl.run("apply", "-f", str(ACTIONS))
        self._kubectl.run("apply", "-f", "-", given=manifests(NAMESPACE))

    def _exists(self, kind: str, name: str, *options: str) -> bool:
        if options:
            listed = self._kubectl.run("get", kind, "-o", "name", *options)
            return f"{kind}/{name}" in listed.split()
        return bool(self._kubectl.run("get", kind, name, "--ignore-not-found", "-o", "name"))

    def _uninstall(self) -> None:
        made, self._made = self._made, []
        if self._remove:
            for kind, name in made:
                self._kubectl.run("delete", kind, name, "--ignore-not-found", "--timeout=120s")
