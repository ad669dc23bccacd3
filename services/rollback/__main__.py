"""Run the rollback as a process of its own."""

import sys

from services.rollback.service import Rollback
from shared.contracts.subjects import Service
from shared.worker.main import main

if __name__ == "__main__":
    sys.exit(main("rollback", Service.ROLLBACK, Rollback))
