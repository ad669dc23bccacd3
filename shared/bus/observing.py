"""What the bus tells about itself, for metrics to plug in without the bus knowing them."""

from typing import Literal, Protocol

from shared.bus.answering import Answer, Forget
from shared.outcome import Ack, Park, Retry

Handled = Literal["acked", "retried", "conflicted", "parked", "fenced", "crashed"]
"""How one try to handle a message ended."""


class BusObserver(Protocol):
    """Is told of every message; must not block or raise."""

    def redelivered(self) -> None:
        """A message arrived that had arrived before."""
        ...

    def handled(self, result: Handled, *, seconds: float) -> None:
        """A try to handle a message ended after so long; tries in place count like others."""
        ...

    def published(self) -> None:
        """The server confirmed a message."""
        ...

    def parked(self, reason: str) -> None:
        """A message was taken out of delivery."""
        ...


class NoObserver:
    """Listens to nothing."""

    def redelivered(self) -> None:
        """Ignore it."""

    def handled(self, result: Handled, *, seconds: float) -> None:
        """Ignore it."""

    def published(self) -> None:
        """Ignore it."""

    def parked(self, reason: str) -> None:
        """Ignore it."""


def result_of(found: Answer) -> Handled:
    """Return in one word what became of a message."""
    match found:
        case Ack():
            return "acked"
        case Forget():
            return "fenced"
        case Park():
            return "parked"
        case Retry(reason="Crashed"):
            return "crashed"
        case Retry(reason=reason) if reason.endswith("Conflict"):
            return "conflicted"
        case Retry():
            return "retried"
