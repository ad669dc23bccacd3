"""The `mendflow` command: all six services in one process, with a NATS server of its own."""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec

from services.executor import wiring as executor
from services.monitor.service import Monitor
from services.orchestrator.service import Orchestrator
from services.planner.service import Planner
from services.rollback.service import Rollback
from services.watcher import wiring as watcher
from shared.bus.embedded import EmbeddedServer
from shared.contracts.subjects import Service
from shared.settings import Settings, SettingsError, describe, explicit, load
from shared.worker.running import Build, run_process

ALL: Final[dict[Service, Build]] = {
    Service.WATCHER: watcher.build,
    Service.PLANNER: Planner,
    Service.ORCHESTRATOR: Orchestrator,
    Service.EXECUTOR: executor.build,
    Service.MONITOR: Monitor,
    Service.ROLLBACK: Rollback,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        settings = load(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return _run(options, settings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mendflow", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="run all services in one process",
        description="Run all six services in this process. Settings come from the environment:",
        epilog=describe(Settings()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument("--kubeconfig", help="path of the kubeconfig file to use")
    run.add_argument("--context", help="context in that file")
    run.add_argument("--nats-url", help="use this NATS server instead of starting one of our own")
    run.add_argument("--nats-dir", type=Path, help="where our own NATS server keeps its store")
    run.add_argument("--nats-port", type=int, default=4222, help="its port; 0 takes a free one")
    return parser


def _run(options: argparse.Namespace, settings: Settings) -> int:
    given = {
        name: value
        for name in ("kubeconfig", "context", "nats_url")
        if (value := getattr(options, name)) is not None
    }
    settings = msgspec.structs.replace(settings, **given)
    with ExitStack() as stack:
        if options.nats_url is None:
            directory = options.nats_dir or Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="mendflow-nats-"))
            )
            server = stack.enter_context(EmbeddedServer(directory, port=options.nats_port))
            settings = msgspec.structs.replace(settings, nats_url=server.url)
        return run_process(ALL, settings, pinned=explicit(os.environ))


if __name__ == "__main__":
    sys.exit(main())
