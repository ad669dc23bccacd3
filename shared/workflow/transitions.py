"""The table of legal phase transitions (requirements C1); all others are refused.

A single write may pass through phases that nobody sees: planning begins and ends at once,
into a pause where that was asked for before; what waits for people for one reason may, by one
answer, wait for another; a resume, or an answer, acts on what ended meanwhile; and who is sent
forward again may stand at a gate at once. Those hops count as one legal move.
"""

from collections.abc import Mapping
from typing import Final

from shared.api.enums import Phase

LEGAL: Final[Mapping[Phase, frozenset[Phase]]] = {
    Phase.PENDING: frozenset({Phase.PLANNING, Phase.CANCELLED}),
    Phase.PLANNING: frozenset(
        {Phase.AWAITING_APPROVAL, Phase.EXECUTING, Phase.FAILED, Phase.CANCELLED}
    ),
    Phase.AWAITING_APPROVAL: frozenset({Phase.EXECUTING, Phase.FAILED, Phase.CANCELLED}),
    Phase.EXECUTING: frozenset(
        {
            Phase.AWAITING_APPROVAL,
            Phase.PAUSED,
            Phase.COMPLETED,
            Phase.ROLLING_BACK,
            Phase.DEGRADED,
            Phase.FAILED,
            Phase.CANCELLED,
        }
    ),
    Phase.PAUSED: frozenset({Phase.EXECUTING, Phase.CANCELLED}),
    Phase.ROLLING_BACK: frozenset({Phase.ROLLED_BACK, Phase.ROLLBACK_FAILED}),
    Phase.DEGRADED: frozenset({Phase.ROLLING_BACK, Phase.EXECUTING}),
    Phase.COMPLETED: frozenset(),
    Phase.FAILED: frozenset(),
    Phase.ROLLED_BACK: frozenset(),
    Phase.ROLLBACK_FAILED: frozenset(),
    Phase.CANCELLED: frozenset(),
}
THROUGH: Final[Mapping[Phase, frozenset[Phase]]] = {
    Phase.PENDING: LEGAL[Phase.PLANNING] | {Phase.PAUSED},
    Phase.PLANNING: frozenset({Phase.PAUSED}),
    Phase.PAUSED: frozenset({Phase.AWAITING_APPROVAL, Phase.COMPLETED, Phase.DEGRADED}),
    Phase.AWAITING_APPROVAL: frozenset({Phase.PAUSED, Phase.COMPLETED, Phase.DEGRADED}),
    Phase.DEGRADED: frozenset({Phase.AWAITING_APPROVAL}),
}
"""What a single write may reach by more than one hop, what is between unseen."""


def is_legal(before: Phase, after: Phase) -> bool:
    """Return whether a single write may move a workflow from `before` to `after`."""
    return before is after or after in LEGAL[before] or after in THROUGH.get(before, frozenset())
