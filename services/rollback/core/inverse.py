"""What undoes a step of several attempts: each captured what undoes its own change."""

from collections.abc import Sequence
from typing import Final

import msgspec

from shared.api.execution import CapturedInverse

_MOST_FIELDS: Final = 32
"""That an execution may name."""


def combined(inverses: Sequence[CapturedInverse]) -> CapturedInverse | None:
    """Return what undoes all attempts together, or None when none of them changed anything.

    From what the first one found to what the last one left, field by field, as long as each
    attempt found what the one before it had found or left. Where it did not, somebody else had
    changed the target: what was before that is not ours to restore.

    Args:
        inverses: as captured, in the order of the attempts.
    """
    whole: CapturedInverse | None = None
    latest: CapturedInverse | None = None
    for inverse in inverses:
        if not inverse.available:
            continue
        if whole is None or latest is None or not _is_of_same_object(inverse, latest):
            whole, latest = inverse, inverse
        elif _is_shown(whole) and _is_shown(inverse):
            whole, latest = _by_field(whole, latest, inverse), _over(latest, inverse)
        else:
            whole, latest = _as_a_whole(whole, latest, inverse), inverse
    return whole


def _by_field(
    whole: CapturedInverse, latest: CapturedInverse, inverse: CapturedInverse
) -> CapturedInverse:
    """Return both together: of each field what was before the first change of ours."""
    theirs = {
        path: before
        for path, before in inverse.before.items()
        if path not in whole.before or before not in (latest.after[path], latest.before[path])
    }
    found = _over(whole, inverse, before=whole.before | theirs)
    is_all_theirs = found.before == inverse.before
    return inverse if is_all_theirs or len(found.after) > _MOST_FIELDS else found


def _as_a_whole(
    whole: CapturedInverse, latest: CapturedInverse, inverse: CapturedInverse
) -> CapturedInverse:
    """Return both together, where values are not shown: only equal texts stand for equal ones."""
    if inverse.before not in (latest.after, latest.before):
        return inverse
    return msgspec.structs.replace(
        whole,
        target=inverse.target,
        resource_version=inverse.resource_version,
        after=inverse.after,
        left_in=inverse.kept_in if inverse.kept_in != whole.kept_in else "",
    )


def _over(
    earlier: CapturedInverse, later: CapturedInverse, *, before: dict[str, str] | None = None
) -> CapturedInverse:
    """Return the later inverse laid over the earlier one."""
    return msgspec.structs.replace(
        earlier,
        target=later.target,
        resource_version=later.resource_version,
        before=earlier.before | later.before if before is None else before,
        after=earlier.after | later.after,
    )


def _is_shown(inverse: CapturedInverse) -> bool:
    return not inverse.kept_in and not inverse.absent_before


def _is_of_same_object(later: CapturedInverse, earlier: CapturedInverse) -> bool:
    if later.target is None or earlier.target is None:
        return False
    return later.target.uid == earlier.target.uid
