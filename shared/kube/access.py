"""Where the API server is and who we are there: a kubeconfig file, or the pod's own account.

The user's current context is never taken without being told.
"""

from pathlib import Path

from kubernetes.aio import config
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException

from shared.errors import CannotStartError


async def configuration_of(kubeconfig: str, context: str) -> Configuration:
    """Return the client configuration.

    Args:
        kubeconfig: path of a kubeconfig file; empty uses the pod's own account.
        context: context in that file; empty uses its current one.

    Raises:
        CannotStartError: when there is neither, or the file cannot be used.
    """
    found = Configuration()
    try:
        if kubeconfig:
            await config.load_kube_config(
                config_file=_existing(kubeconfig),
                context=context or None,
                client_configuration=found,
            )
        else:
            config.load_incluster_config(client_configuration=found)
    except (ConfigException, OSError) as error:
        message = (
            f"no access to an API server: {error}; "
            "set MENDFLOW_KUBECONFIG to a kubeconfig file, and MENDFLOW_CONTEXT to one of its "
            "contexts, or run in a pod"
        )
        raise CannotStartError(message) from error
    return found


def _existing(kubeconfig: str) -> str:
    path = Path(kubeconfig).expanduser()
    if not path.is_file():
        message = f"there is no file {path}"
        raise FileNotFoundError(message)
    return str(path)
