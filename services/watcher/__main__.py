"""Run the watcher as a process of its own."""

import sys

from services.watcher.wiring import build
from shared.contracts.subjects import Service
from shared.worker.main import main


def run() -> int:
    """Run the watcher and return the exit code: the `mendflow-watcher` command."""
    return main("watcher", Service.WATCHER, build)


if __name__ == "__main__":
    sys.exit(run())
