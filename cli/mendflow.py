"""The `mendflow` command: runs all services, opts namespaces in, and tries out policies.

Only words are read here; each command is loaded when it is asked for.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

from cli.namespaces import arguments as namespaces
from cli.policy import arguments as policy
from shared.settings import Settings, describe

_INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = parser().parse_args(arguments)
    try:
        return int(import_module(options.module).run(options))
    except KeyboardInterrupt:
        return _INTERRUPTED


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line; each command names the module that runs it."""
    found = argparse.ArgumentParser(prog="mendflow", description=__doc__.partition("\n")[0])
    commands = found.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="run all services in one process",
        description="Run all six services in this process. Settings come from the environment:",
        epilog=describe(Settings()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.set_defaults(module="cli.all_in_one")
    run.add_argument("--kubeconfig", help="path of the kubeconfig file to use")
    run.add_argument("--context", help="context in that file")
    run.add_argument("--nats-url", help="use this NATS server instead of starting one of our own")
    run.add_argument("--nats-dir", type=Path, help="where our own NATS server keeps its store")
    run.add_argument("--nats-port", type=int, default=4222, help="its port; 0 takes a free one")
    namespaces.add_to(commands)
    policy.add_to(commands)
    return found


if __name__ == "__main__":
    sys.exit(main())
