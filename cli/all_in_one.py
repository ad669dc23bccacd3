"""All six services in one process, with a NATS server of its own unless one is named."""

import argparse
import os
import sys
import tempfile
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
from shared.settings import SettingsError, explicit, load
from shared.worker.running import Build, run_process

ALL: Final[dict[Service, Build]] = {
    Service.WATCHER: watcher.build,
    Service.PLANNER: Planner,
    Service.ORCHESTRATOR: Orchestrator,
    Service.EXECUTOR: executor.build,
    Service.MONITOR: Monitor,
    Service.ROLLBACK: Rollback,
}


def run(options: argparse.Namespace) -> int:
    """Run the services until told to stop; return the exit code."""
    try:
        settings = load(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
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
