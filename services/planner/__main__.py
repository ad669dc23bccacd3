"""Run the planner as a process of its own."""

import sys

from services.planner.service import Planner
from shared.contracts.subjects import Service
from shared.worker.main import main


def run() -> int:
    """Run the planner and return the exit code: the `mendflow-planner` command."""
    return main("planner", Service.PLANNER, Planner)


if __name__ == "__main__":
    sys.exit(run())
