"""What undoes a step of several attempts: each captured what undoes its own change."""

from collections.abc import Sequence

import msgspec

from shared.api.execution import CapturedInverse


def combined(inverses: Sequence[CapturedInverse]) -> CapturedInverse | None:
    """Return what undoes all attempts together, or None when none of them changed anything.

    From what the first one found to what the last one left, as long as each attempt found
    what the one before it had found or left. Where it did not, somebody else had changed the
    target: what was before that is not ours to restore.

    Args:
        inverses: as captured, in the order of the attempts.
    """
    whole: CapturedInverse | None = None
    latest: CapturedInverse | None = None
    for inverse in inverses:
        if not inverse.available:
            continue
        if whole is None or latest is None or not _follows(inverse, latest):
            whole = inverse
        else:
            whole = msgspec.structs.replace(
                whole,
                target=inverse.target,
                resource_version=inverse.resource_version,
                after=inverse.after,
                left_in=inverse.kept_in if inverse.kept_in != whole.kept_in else "",
            )
        latest = inverse
    return whole


def _follows(later: CapturedInverse, earlier: CapturedInverse) -> bool:
    if later.target is None or earlier.target is None:
        return False
    same = later.target.uid == earlier.target.uid
    return same and later.before in (earlier.after, earlier.before)
