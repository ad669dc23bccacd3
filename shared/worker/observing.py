"""Turns what the bus tells about itself into metrics of one service."""

from shared.bus.observing import Handled
from shared.contracts.subjects import Service
from shared.telemetry.metrics import Metrics, Result


class CountingObserver:
    """Counts the messages of one service."""

    def __init__(self, metrics: Metrics, *, service: Service) -> None:
        self._metrics = metrics
        self._service = service

    def redelivered(self) -> None:
        """Count a second or later arrival."""
        self._metrics.message_redelivered(service=self._service)

    def handled(self, result: Handled, *, seconds: float) -> None:
        """Count how a try ended, and how long it took."""
        self._metrics.message_handled(service=self._service, result=Result(result), seconds=seconds)

    def published(self) -> None:
        """Count a message that its stream confirmed."""
        self._metrics.message_published(service=self._service)

    def parked(self, reason: str) -> None:
        """Count a message that was taken out of delivery."""
        self._metrics.parked(reason)
