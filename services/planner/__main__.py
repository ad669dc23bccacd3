"""Run the planner as a process of its own."""

import sys

from services.planner.service import Planner
from shared.contracts.subjects import Service
from shared.worker.main import main

if __name__ == "__main__":
    sys.exit(main("planner", Service.PLANNER, Planner))
