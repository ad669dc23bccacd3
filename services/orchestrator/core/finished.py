"""Whether the orchestrator has nothing more to say of a workflow, told from the raw object.

A person may ask for something after the end: that is answered even when the message for it
was lost. Raw, because a walk over all workflows meets mostly finished ones.
"""

from collections.abc import Mapping
from typing import Any, Final

from shared.api.enums import TERMINAL_PHASES, Control

_TERMINAL: Final = frozenset(str(phase) for phase in TERMINAL_PHASES)


def is_finished(item: Mapping[str, Any]) -> bool:
    """Return whether a workflow has ended and the verb in its spec is answered."""
    status = item.get("status", {})
    if status.get("phase") not in _TERMINAL:
        return False
    verb, answered = item.get("spec", {}).get("control"), status.get("control", {})
    if verb != answered.get("verb"):
        return False
    newer = item["metadata"].get("generation") != answered.get("generation")
    return not (verb == Control.RETRY and newer)
