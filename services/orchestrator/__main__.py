"""Run the orchestrator as a process of its own."""

import sys

from services.orchestrator.service import Orchestrator
from shared.contracts.subjects import Service
from shared.worker.main import main


def run() -> int:
    """Run the orchestrator and return the exit code: the `mendflow-orchestrator` command."""
    return main("orchestrator", Service.ORCHESTRATOR, Orchestrator)


if __name__ == "__main__":
    sys.exit(run())
