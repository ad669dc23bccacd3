"""Run the monitor as a process of its own."""

import sys

from services.monitor.service import Monitor
from shared.contracts.subjects import Service
from shared.worker.main import main

if __name__ == "__main__":
    sys.exit(main("monitor", Service.MONITOR, Monitor))
