"""What safety policies said of one change, as decisions see it."""

from datetime import timedelta
from typing import Final

import msgspec

from shared.api.results import SafetyResult

WITHOUT_ANSWER: Final = timedelta(seconds=30)
"""How long safety policies may give no answer before what waits for it fails."""


class SafetyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Their decision; without an answer it is not allowed."""

    result: SafetyResult
    is_answered: bool = True
    """False when they could not be evaluated, which may be over soon."""

    @property
    def why_not(self) -> str:
        """Return the reasons in one line, for people."""
        return "; ".join(self.result.reasons)
