"""Run the executor as a process of its own."""

import sys

from services.executor.wiring import build
from shared.contracts.subjects import Service
from shared.worker.main import main


def run() -> int:
    """Run the executor and return the exit code: the `mendflow-executor` command."""
    return main("executor", Service.EXECUTOR, build)


if __name__ == "__main__":
    sys.exit(run())
