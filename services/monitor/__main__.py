"""Run the monitor as a process of its own."""

import sys

from services.monitor.service import Monitor
from shared.contracts.subjects import Service
from shared.worker.main import main


def run() -> int:
    """Run the monitor and return the exit code: the `mendflow-monitor` command."""
    return main("monitor", Service.MONITOR, Monitor)


if __name__ == "__main__":
    sys.exit(run())
