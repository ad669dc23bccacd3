"""Run the orchestrator as a process of its own."""

import sys

from services.orchestrator.service import Orchestrator
from shared.contracts.subjects import Service
from shared.worker.main import main

if __name__ == "__main__":
    sys.exit(main("orchestrator", Service.ORCHESTRATOR, Orchestrator))
