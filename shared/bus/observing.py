"""What the bus tells about itself, for metrics to plug in without the bus knowing them."""

from typing import Protocol


class BusObserver(Protocol):
    """Is told of every message; must not block or raise."""

    def consumed(self, family: str, result: str) -> None:
        """A message was answered: `acked`, `retried`, `parked`, `fenced` or `released`."""
        ...

    def published(self, family: str) -> None:
        """The server confirmed a message."""
        ...

    def parked(self, reason: str) -> None:
        """A message was taken out of delivery."""
        ...


class NoObserver:
    """Listens to nothing."""

    def consumed(self, family: str, result: str) -> None:
        """Ignore it."""

    def published(self, family: str) -> None:
        """Ignore it."""

    def parked(self, reason: str) -> None:
        """Ignore it."""


def family(subject: str) -> str:
    """Return `evt`, `cmd`, `tmr` or `dlq`: few enough values for a metric label."""
    match subject.split(".", 2):
        case ["wf", "p", *_]:
            return "evt"
        case ["wf", "evt" | "cmd" | "tmr" | "dlq" as token, *_]:
            return token
        case _:
            return "other"
