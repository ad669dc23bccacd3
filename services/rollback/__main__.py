"""Run the rollback as a process of its own."""

import sys

from services.rollback.service import Rollback
from shared.contracts.subjects import Service
from shared.worker.main import main


def run() -> int:
    """Run the rollback and return the exit code: the `mendflow-rollback` command."""
    return main("rollback", Service.ROLLBACK, Rollback)


if __name__ == "__main__":
    sys.exit(run())
