"""Run the executor as a process of its own."""

import sys

from services.executor.wiring import build
from shared.contracts.subjects import Service
from shared.worker.main import main

if __name__ == "__main__":
    sys.exit(main("executor", Service.EXECUTOR, build))
