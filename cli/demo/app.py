"""The demo's command line: `make demo`, or `python -m cli.demo --help`."""

import argparse
import asyncio
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from cli.demo import report
from cli.demo.errors import DemoError
from cli.demo.place import DEFAULT, Place
from cli.demo.play import Play
from cli.demo.session import Session, end_kept
from deploy.local.errors import LocalClusterError
from shared.errors import CannotStartError, MendflowError
from shared.telemetry import logging

_NARROWEST: Final = 118
"""Columns when the output is no terminal; tables of subjects need them."""
_INTERRUPTED: Final = 130
_EXPECTED: Final = (DemoError, LocalClusterError, CannotStartError, MendflowError)

DESCRIPTION: Final = """\
Start a Kubernetes control plane, NATS and the six services, run two workflows, and report.

One workflow is a diamond of four steps that completes, the other fails in its third step and
is rolled back. Both are in examples/. Everything is stopped and removed at the end.
"""
EPILOG: Final = """\
commands:
  down                 stop a demo that was left running with --keep

The exit code is 0 only if the one workflow completed and the other was rolled back.
A first run builds the control plane and takes minutes; later runs take seconds.
With --context everything is put into the namespace mendflow-demo of that cluster, and removed
again; its CustomResourceDefinitions too, unless they were there before.

From make: `make demo`, `make demo KEEP=1`, `make demo CONTEXT=kind-x`, `make demo-down`.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo and return the exit code."""
    options = _parser().parse_args(arguments)
    # Started in the background by a script, SIGINT is ignored unless it is asked for.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    logging.configure(level="error", form="console")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Signs that a terminal cannot show are no reason to stop.
        sys.stdout.reconfigure(errors="replace")
    console = _console()
    place = Place(options.dir)
    try:
        return _down(place, console) if options.command == "down" else _run(options, console, place)
    except KeyboardInterrupt:
        console.print("interrupted; nothing is left running")
        return _INTERRUPTED
    except _EXPECTED as error:
        return _fail(str(error), place)
    except Exception as error:  # noqa: BLE001 - a stack trace is for the log, not for the reader
        return _fail(f"unexpected {type(error).__name__}: {error}", place, traceback.format_exc())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cli.demo",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="?", choices=["down"], metavar="COMMAND", help="see below")
    parser.add_argument("--keep", action="store_true", help="leave everything running")
    parser.add_argument(
        "--context",
        default="",
        metavar="NAME",
        help="use the cluster of this context of your kubeconfig instead of starting one",
    )
    parser.add_argument(
        "--dir", type=Path, default=DEFAULT, metavar="D", help=f"work folder (default: {DEFAULT})"
    )
    return parser


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, _NARROWEST))


def _run(options: argparse.Namespace, console: Console, place: Place) -> int:
    def say(message: str) -> None:
        console.print(f"· {message}", highlight=False, soft_wrap=True, style="dim")

    with Session(place, context=options.context, say=say) as session:
        state = session.start()
        try:
            problems = asyncio.run(Play(state, console, problem=session.problem).run())
        except _EXPECTED as error:
            # What fails once a part of the demo is gone only follows from that.
            raise DemoError(session.problem() or str(error)) from error
        down = report.down_command(place.root)
        if options.keep:
            session.keep()
            problems += [f"everything is left running; `{down}` stops it"] if problems else []
        if problems:
            raise DemoError("\n".join(problems))
    console.print()
    for line in report.look_around(state, kept=options.keep, down=down):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    return 0


def _down(place: Place, console: Console) -> int:
    def say(message: str) -> None:
        console.print(f"· {message}", highlight=False, style="dim")

    if end_kept(place, say=say):
        console.print("stopped and removed")
    else:
        console.print(f"no demo is running in {place.root}", soft_wrap=True)
    return 0


def _fail(message: str, place: Place, trace: str = "") -> int:
    lines = [f"error: {message}"]
    if trace and place.logs.is_dir():
        (place.logs / "demo.log").write_text(trace)
    if place.logs.is_dir():
        lines.append(f"Logs are in {place.logs}")
    sys.stderr.write(os.linesep.join(lines) + os.linesep)
    return 1
