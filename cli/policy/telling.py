"""What a command on policies says, in lines that a terminal only shows.

Keys, names and reasons are of users, and may hold what a terminal would obey.
"""

import sys
from collections.abc import Iterable
from typing import TextIO

from cli.policy.errors import PolicyCommandError, UsageError


def shown(text: str) -> str:
    """Return a text without what cannot be printed."""
    return "".join(each if each.isprintable() else " " for each in text)


def say(lines: Iterable[str], *, to: TextIO | None = None) -> None:
    """Write lines, to standard output if nothing else is said."""
    stream = to or sys.stdout
    for line in lines:
        stream.write(f"{shown(line)}\n")


def complain(error: PolicyCommandError) -> int:
    """Write what ended a command; return the exit code."""
    say(f"error: {error}".splitlines(), to=sys.stderr)
    return 2 if isinstance(error, UsageError) else 1
