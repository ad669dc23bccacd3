"""Which of what is recorded to look at: all of it, or one workflow."""

from datetime import timedelta
from typing import Final

import msgspec

from cli.policy.errors import UsageError
from shared.contracts.recorded import RecordedLook
from shared.workflow import durations

EVERYTHING: Final = "stream"
LONGEST: Final = timedelta(days=365)
"""Longer than anything is kept."""
_DEFAULT: Final = "default"


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """A part of what is recorded; empty names mean any."""

    namespace: str = ""
    workflow: str = ""
    since: timedelta

    def takes(self, look: RecordedLook) -> bool:
        """Return whether a look belongs to it."""
        return self.namespace in {"", look.namespace} and self.workflow in {"", look.workflow}

    @property
    def text(self) -> str:
        """Return what people call it."""
        if self.workflow:
            return f"workflow {self.namespace}/{self.workflow}"
        return f"namespace {self.namespace}" if self.namespace else "any workflow"


def selection(against: str, *, namespace: str | None, since: str) -> Selection:
    """Return what the words of the command line select.

    Raises:
        UsageError: they make no sense.
    """
    try:
        length = min(LONGEST, durations.parse(since))
    except ValueError as error:
        raise UsageError(f"--since: {error}") from error
    if against == EVERYTHING:
        return Selection(namespace=namespace or "", since=length)
    place, slash, name = against.rpartition("/")
    if not name or "/" in place or (slash and not place):
        raise UsageError(f"--against: {against!r} is neither stream, NAME nor NAMESPACE/NAME")
    if place and namespace and place != namespace:
        raise UsageError(f"--against names the namespace {place}, --namespace {namespace}")
    return Selection(namespace=place or namespace or _DEFAULT, workflow=name, since=length)
