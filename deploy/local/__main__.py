"""The command line of the local control plane: `python -m deploy.local --help`."""

import argparse
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from deploy.local.build import ensure_binaries, ensure_nats_cli
from deploy.local.cache import cache_dir
from deploy.local.cluster import LocalCluster
from deploy.local.errors import LocalClusterError
from deploy.local.workdir import WorkDir, find_running

if TYPE_CHECKING:
    _Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - has no other

EPILOG = """\
A first `build` or `up` compiles Kubernetes and takes minutes; later starts take seconds.

  MENDFLOW_CACHE       where programs are kept (default: the user's cache directory)
  KUBEBUILDER_ASSETS   a directory with etcd and kube-apiserver to use instead of building them
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], None] = options.command
    try:
        command(options)
    except LocalClusterError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.local",
        description="A local Kubernetes control plane with fake nodes, for the demo and for tests.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_build(commands)
    _add_up(commands)
    _add_kubeconfig(commands)
    clean = commands.add_parser(
        "clean-cache", help="remove all built and installed programs", description=_clean.__doc__
    )
    clean.set_defaults(command=_clean)
    return parser


def _add_build(commands: "_Commands") -> None:
    build = commands.add_parser(
        "build", help="build what is missing in the cache", description=_build.__doc__
    )
    build.add_argument("--with-nats-cli", action="store_true", help="build the `nats` command too")
    build.set_defaults(command=_build)


def _add_up(commands: "_Commands") -> None:
    up = commands.add_parser("up", help="run a cluster until Ctrl-C", description=_up.__doc__)
    _add_dir(up)
    up.add_argument("--nodes", type=int, default=3, metavar="N", help="fake nodes (default: 3)")
    up.add_argument("--keep", action="store_true", help="keep the data and go on with it next time")
    up.set_defaults(command=_up)


def _add_kubeconfig(commands: "_Commands") -> None:
    config = commands.add_parser(
        "kubeconfig",
        help="make a kubeconfig for a user of the running cluster",
        description=_kubeconfig.__doc__,
    )
    config.add_argument("user", metavar="USER", help="the name that RBAC knows the user by")
    config.add_argument(
        "--group", action="append", default=[], metavar="GROUP", help="a group, may be repeated"
    )
    _add_dir(config)
    config.set_defaults(command=_kubeconfig)


def _add_dir(parser: argparse.ArgumentParser) -> None:
    default = cache_dir() / "cluster"
    parser.add_argument(
        "--dir",
        type=Path,
        default=default,
        metavar="D",
        help=f"the work directory of the cluster (default: {default})",
    )


def _build(options: argparse.Namespace) -> None:
    """Build the programs that are not in the cache yet and print where they all are."""
    binaries = ensure_binaries()
    programs = [
        binaries.etcd,
        binaries.kube_apiserver,
        binaries.kube_controller_manager,
        binaries.kube_scheduler,
        binaries.kwok,
    ]
    if options.with_nats_cli:
        programs.append(ensure_nats_cli())
    _say(*map(str, programs))


def _up(options: argparse.Namespace) -> None:
    """Run a cluster in the foreground; Ctrl-C ends it and removes its data."""
    signal.signal(signal.SIGTERM, _interrupt)
    with LocalCluster(options.dir, nodes=options.nodes, keep=options.keep) as cluster:
        _say(
            f"The cluster is ready at {cluster.server}; use it from another terminal:",
            "",
            f"  export KUBECONFIG={cluster.kubeconfig}",
            "  kubectl get nodes",
            "",
            "Ctrl-C stops it.",
        )
        name, code = cluster.wait_for_loss()
    message = (
        f"{name} ends again and again, with code {code}; see {cluster.work_dir}/logs/{name}.log"
    )
    raise LocalClusterError(message)


def _kubeconfig(options: argparse.Namespace) -> None:
    """Print the path of a new kubeconfig; the user has only the rights that are bound to them."""
    running = find_running(options.dir.absolute())
    _say(str(running.kubeconfig_for(options.user, groups=tuple(options.group))))


def _clean(_: argparse.Namespace) -> None:
    """Remove the programs from the cache; the next start builds them again, which takes minutes."""
    # Taking the directory refuses this while the default cluster runs on these very programs.
    place = WorkDir(cache_dir() / "cluster", keep=False)
    place.acquire()
    place.release()
    for name in ("bin", "wheels", "cluster"):
        shutil.rmtree(cache_dir() / name, ignore_errors=True)
    for log in cache_dir().glob("build-*.log"):
        log.unlink()
    _say(f"removed the programs in {cache_dir()}")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
