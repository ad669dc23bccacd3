"""What a bus told about itself."""

from shared.bus.observing import Handled


class Seen:
    """Remembers what the bus told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.parked_for: list[str] = []

    def redelivered(self) -> None:
        self.told.append("redelivered")

    def handled(self, result: Handled, *, seconds: float) -> None:
        assert seconds >= 0
        self.told.append(result)

    def published(self) -> None:
        self.told.append("published")

    def parked(self, reason: str) -> None:
        self.parked_for.append(reason)
