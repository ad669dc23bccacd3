"""What may happen in a simulated run: services act, die and are held up; people intervene."""

from dataclasses import dataclass
from typing import Final

from shared.api.enums import Control

ACTORS: Final = ("orchestrator", "executor", "monitor", "rollback")
ALL_STOPS: Final = 50
"""More than anybody makes."""


@dataclass(frozen=True)
class Move:
    """Somebody starts, and goes so many stops before being held up."""

    actor: str
    stops: int
    choice: int = 0
    """Which of the executions, for who picks one."""


@dataclass(frozen=True)
class Resume:
    """Somebody who was held up goes on, or is killed."""

    whom: int
    stops: int
    dies: bool = False


@dataclass(frozen=True)
class Delete:
    """A person deletes an execution that has no result; the orchestrator hears of it or not."""

    choice: int
    heard: bool


@dataclass(frozen=True)
class Ask:
    """A person sets spec.control, and where a rollback is to stop."""

    verb: Control | None
    to: str | None = None


@dataclass(frozen=True)
class Answer:
    """A person answers a request for approval, and the planner writes it down."""

    choice: int
    approves: bool


@dataclass(frozen=True)
class Reopen:
    """The plan changed, and the planner asks for approval of it."""


@dataclass(frozen=True)
class Limit:
    """An operator changes how many steps may be in flight."""

    limit: int


@dataclass(frozen=True)
class Parallelism:
    """A person changes how many steps of this workflow may be in flight, or takes that back."""

    steps: int | None


@dataclass(frozen=True)
class Pass:
    """Time passes."""

    seconds: int


Event = Move | Resume | Delete | Ask | Answer | Reopen | Limit | Parallelism | Pass
