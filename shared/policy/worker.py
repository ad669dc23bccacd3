"""The program inside a worker process: evaluates policies that nobody trusts.

Frames of JSON, each after its length, come in and go out by two private pipes. It holds no
secret, sees no environment, can write no file, and is killed by its parent at any time.
Started by `shared.policy.worker_process`.
"""

import contextlib
import ctypes
import json
import os
import resource
import sys
import time
from typing import Any, BinaryIO, Final

from shared.policy.screening import problems
from shared.policy.worker_rego import Compiled, RegoError, compiled

_LARGEST_FRAME: Final = 4 * 1024 * 1024
_CPU_S: Final = 5
"""Seconds of computing for one frame, for when the parent is too busy to count itself."""
_DESCRIPTORS: Final = 16
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38
_SIGKILL: Final = 9


def main() -> None:
    """Answer until the parent goes away."""
    incoming, outgoing = _private_pipes()
    _confine(int(sys.argv[1]))
    held: dict[str, Compiled] = {}
    _send(outgoing, {"ready": True})
    while (frame := _received(incoming)) is not None:
        _limit_computing()
        _send(outgoing, _answer(frame, held))


def _answer(frame: dict[str, Any], held: dict[str, Compiled]) -> dict[str, Any]:
    if frame["op"] == "run":
        return held[frame["key"]].evaluated(frame["input"])
    for key in frame["drop"]:
        held.pop(key, None)
    rules = [frame["reasons"], *filter(None, [frame["notes"]])]
    found = problems(frame["package"], frame["module"], frame["libraries"], frame["rule"], *rules)
    if found:
        return {"refused": found}
    try:
        held[frame["key"]] = compiled(frame)
    except RegoError as error:
        return {"error": str(error)}
    return {}


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Move the pipes out of reach of the interpreter, which prints errors to stdout."""
    incoming, outgoing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nothing, standard)
    os.close(nothing)
    return os.fdopen(incoming, "rb"), os.fdopen(outgoing, "wb")


def _confine(parent: int) -> None:
    os.environ.clear()
    for limit, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, _DESCRIPTORS),
    ):
        resource.setrlimit(limit, (value, value))
    with contextlib.suppress(OSError, AttributeError):
        system = ctypes.CDLL(None)
        system.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        system.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit()


def _limit_computing() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + _CPU_S, hard))


def _received(incoming: BinaryIO) -> dict[str, Any] | None:
    head = incoming.read(4)
    size = int.from_bytes(head, "big")
    if len(head) < len(b"size") or size > _LARGEST_FRAME:
        return None
    frame: dict[str, Any] = json.loads(incoming.read(size))
    return frame


def _send(outgoing: BinaryIO, answer: dict[str, Any]) -> None:
    body = json.dumps(answer).encode()
    outgoing.write(len(body).to_bytes(4, "big") + body)
    outgoing.flush()


if __name__ == "__main__":
    main()
