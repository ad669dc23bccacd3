"""The program inside a worker process: evaluates policies that nobody trusts.

Frames of JSON, each after its length, come in and go out by two private pipes. It holds no
secret, sees no environment, can write no file, and is killed by its parent at any time.
Started by `shared.policy.worker_process`.
"""

import contextlib
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO, Final

from shared.policy.screening import problems
from shared.policy.worker_confinement import UnconfinedError, confine
from shared.policy.worker_rego import Compiled, RegoError, compiled

_LARGEST_FRAME: Final = 4 * 1024 * 1024
_CPU_S: Final = 5
"""Seconds of computing for one frame, for when the parent is too busy to count itself."""

_ZONES: Final = {
    "package": "zones",
    "module": 'package zones\n\nallow { time.clock([0, "Europe/Berlin"]) }\n',
    "libraries": (),
    "rule": "allow",
    "reasons": "allow",
    "notes": "",
    "is_deny": False,
}
"""Has the interpreter read the files of time zones, which it cannot open when confined."""


def main() -> None:
    """Answer until the parent goes away."""
    incoming, outgoing = _private_pipes()
    _give_way(int(sys.argv[2]))
    compiled(_ZONES).evaluated({})
    try:
        confine(int(sys.argv[1]))
    except UnconfinedError as error:
        _send(outgoing, {"id": 0, "error": str(error)})
        return
    held: dict[str, Compiled] = {}
    _send(outgoing, {"id": 0})
    while (frame := _received(incoming)) is not None:
        _limit_computing()
        _send(outgoing, {"id": frame["id"], **_answer(frame, held)})


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


def _give_way(niceness: int) -> None:
    """Compute after others, also where the system weighs sessions rather than processes."""
    os.nice(niceness)
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(niceness), encoding="ascii")


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
