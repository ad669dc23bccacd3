"""A cluster that the user already has, named by its context and never guessed."""

import subprocess
from pathlib import Path
from typing import Self

import yaml

from deploy.local.certs import write_private
from deploy.local.errors import LocalClusterError
from deploy.local.kubectl import ensure_kubectl


class ExistingCluster:
    """Offers what `LocalCluster` offers to those who only need a kubeconfig.

    The file holds the named context alone, so nothing that reads it can end up elsewhere when
    the user's current context changes.
    """

    def __init__(self, context: str, *, work_dir: Path) -> None:
        """Name the context; it is looked up on `start`.

        Args:
            context: A context of the user's own kubeconfig.
            work_dir: Where the copy is kept.
        """
        if not context:
            message = "an existing cluster is used by the name of its context only; name one"
            raise LocalClusterError(message)
        self.context = context
        self.kubeconfig = work_dir.absolute() / "kubeconfig"
        """The copy, which exists once the cluster is started."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def server(self) -> str:
        """The address of the API server."""
        config = yaml.safe_load(self.kubeconfig.read_text())
        return str(config["clusters"][0]["cluster"]["server"])

    def start(self) -> None:
        """Write the kubeconfig.

        Raises:
            LocalClusterError: There is no such context.
        """
        view = ("config", "view", "--minify", "--flatten", "--raw", f"--context={self.context}")
        done = subprocess.run(  # noqa: S603 - fixed words, and a context as one argument
            (ensure_kubectl(), *view), check=False, capture_output=True
        )
        if done.returncode != 0:
            reason = done.stderr.decode(errors="replace").strip()
            message = (
                f"the context {self.context!r} cannot be used: {reason}; "
                "`kubectl config get-contexts` lists those that can"
            )
            raise LocalClusterError(message)
        self.kubeconfig.parent.mkdir(parents=True, exist_ok=True)
        write_private(self.kubeconfig, done.stdout)

    def stop(self) -> None:
        """Remove the copy; the cluster itself is not ours to stop."""
        self.kubeconfig.unlink(missing_ok=True)
