"""Derived names: the same attempt is always the same object.

Creating twice is creating once, whoever does it. `a-b` + `c` differs from `a` + `b-c`
because the hash separates its parts.
"""

from hashlib import sha256
from typing import Final

import msgspec

from shared.api.enums import ExecutionKind
from shared.ids import ExecutionName, Uid

_MAX_NAME: Final = 63
_HASH_LENGTH: Final = 8


def operation_id(uid: Uid, step: str, attempt: int, kind: ExecutionKind) -> str:
    """Return the identity of one attempt's effect, as put on its target."""
    return sha256(f"{uid}/{step}/{attempt}/{kind}".encode()).hexdigest()[:16]


def execution_name(
    *, workflow: str, uid: Uid, step: str, number: int, attempt: int, kind: ExecutionKind
) -> ExecutionName:
    """Return the name of the KubernetesExecution of one attempt, a DNS label.

    The workflow's name (which may be longer, and hold dots) is cut to fit; identity is in
    the hash of (workflow uid, step, attempt, kind).
    """
    suffix = f"-{operation_id(uid, step, attempt, kind)[:_HASH_LENGTH]}"
    if kind is ExecutionKind.ROLLBACK:
        suffix += "-rb"
    readable = f"{workflow.replace('.', '-')}-{number}-{step}"
    return ExecutionName(readable[: _MAX_NAME - len(suffix)].rstrip("-") + suffix)


def fitting(readable: str, *, longest: int, of: str, suffix: str = "") -> str:
    """Return a name with its suffix; one that is too long is cut, and bears a hash instead.

    Args:
        readable: what the name begins with.
        longest: characters that it may have.
        of: what it is the name of, which the hash tells from all that begins alike.
        suffix: what it ends with.
    """
    if len(readable) + len(suffix) <= longest:
        return readable + suffix
    mark = f"-{sha256(of.encode()).hexdigest()[:_HASH_LENGTH]}{suffix}"
    return readable[: longest - len(mark)].rstrip("-.") + mark


def spec_hash(*parts: object) -> str:
    """Return a hash of what an execution does, without fence and intent."""
    encoded = msgspec.json.encode(parts, order="deterministic")
    return sha256(encoded).hexdigest()[:32]
