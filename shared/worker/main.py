"""The command line that every service shares: settings from the environment, and --help."""

import argparse
import os
import sys
from collections.abc import Sequence

from shared.contracts.subjects import Service
from shared.settings import Settings, SettingsError, describe, explicit, load
from shared.worker.running import Build, run_process


def main(name: str, service: Service, build: Build, arguments: Sequence[str] | None = None) -> int:
    """Run one service; return the exit code."""
    parser = argparse.ArgumentParser(
        prog=f"python -m services.{name}",
        description=f"Run the {name}. Settings come from the environment:",
        epilog=describe(Settings()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--print-settings", action="store_true", help="print the settings in effect and stop"
    )
    options = parser.parse_args(arguments)
    try:
        settings = load(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if options.print_settings:
        sys.stdout.write(f"{describe(settings)}\n")
        return 0
    return run_process({service: build}, settings, pinned=explicit(os.environ))
