"""The process that everything of a demo runs under: `python -m cli.demo.host DIR [CONTEXT]`.

It lives in a session of its own, so Ctrl-C in a terminal misses it, and it ends

    when its standard input closes, as it does when the command that started it dies,
    unless it was told `keep` there before; then on SIGTERM,
    or when a service ends by itself.

All processes below it are tied to it by the kernel, so there is one pid to care for.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from cli.demo.errors import DemoError
from cli.demo.fleet import Fleet
from cli.demo.installation import NAMESPACE, Installation
from cli.demo.kubectl import Kubectl
from cli.demo.place import Place, State
from deploy.local.build import ensure_nats_cli
from deploy.local.cluster import LocalCluster
from deploy.local.errors import LocalClusterError
from deploy.local.existing import ExistingCluster
from deploy.local.kubectl import ensure_kubectl
from shared.bus.embedded import EmbeddedServer
from shared.errors import CannotStartError

KEEP: Final = b"keep\n"
ERROR: Final = "error: "
_EXPECTED: Final = (DemoError, LocalClusterError, CannotStartError)
_LOOK_EVERY_S: Final = 0.5


def main(arguments: Sequence[str]) -> int:
    """Host a demo until told to end; return the exit code."""
    root, context = arguments
    signal.signal(signal.SIGTERM, _interrupt)
    threading.Thread(target=_end_with_our_starter, daemon=True).start()
    place = Place(Path(root))
    try:
        place.hold()
        with ExitStack() as stack:
            return _host_or_tell(stack, place, context)
    except KeyboardInterrupt:
        return 0
    except _EXPECTED as error:
        return _tell(error)


def _host_or_tell(stack: ExitStack, place: Place, context: str) -> int:
    """Tell what went wrong before all the rest is taken down: the command waits to hear it."""
    try:
        _host(stack, place, context)
    except _EXPECTED as error:
        return _tell(error)


def _host(stack: ExitStack, place: Place, context: str) -> NoReturn:
    kubectl = ensure_kubectl()
    nats_cli = _find_nats_cli()
    cluster: LocalCluster | ExistingCluster
    if context:
        _report(f"using the cluster of context {context}")
        cluster = ExistingCluster(context, work_dir=place.cluster)
    else:
        _report("starting etcd, the API server and its controllers")
        cluster = LocalCluster(place.cluster, audit=False)
    stack.enter_context(cluster)
    _report(f"the API server is at {cluster.server}; installing our kinds")
    admin = Kubectl(kubectl, cluster.kubeconfig)
    stack.enter_context(Installation(admin, remove=bool(context)))
    nats = stack.enter_context(EmbeddedServer(place.nats))
    _report(f"NATS with JetStream is at {nats.url}; starting six services")
    fleet = stack.enter_context(
        Fleet(
            kubeconfig=cluster.kubeconfig,
            nats_url=nats.url,
            namespace=NAMESPACE,
            logs=place.logs,
        )
    )
    place.write(
        State(
            pid=os.getpid(),
            kubeconfig=str(cluster.kubeconfig),
            kubectl=str(kubectl),
            nats_cli=nats_cli,
            nats_url=nats.url,
            namespace=NAMESPACE,
            context=context,
            health_ports=fleet.health_ports,
            metrics_ports=fleet.metrics_ports,
        )
    )
    while True:
        fleet.check()
        time.sleep(_LOOK_EVERY_S)


def _find_nats_cli() -> str:
    """Return the `nats` command, or nothing: the demo only names it to people."""
    try:
        return str(ensure_nats_cli())
    except LocalClusterError as error:
        _report(f"going on without the nats command: {str(error).splitlines()[0]}")
        return ""


def _end_with_our_starter() -> None:
    """Interrupt the main thread when standard input closes before `keep` came."""
    told = b""
    while chunk := os.read(sys.stdin.fileno(), len(KEEP)):
        told += chunk
    if told != KEEP:
        os.kill(os.getpid(), signal.SIGTERM)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # Once is enough: a second one must not cut short what is being taken down.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _tell(error: Exception) -> int:
    sys.stderr.write(f"{ERROR}{error}\n")
    sys.stderr.flush()
    return 1


def _report(message: str) -> None:
    sys.stderr.write(f"[demo] {message}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
