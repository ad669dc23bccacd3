"""What a worker takes from itself for good before it reads the first policy.

Whatever a policy makes of the interpreter, the process can compute, read and write the pipes
it was given, and end. It cannot open a file or a socket, start or touch another process.
"""

import contextlib
import ctypes
import os
import resource
import sys
from pathlib import Path
from typing import Final, NamedTuple

_DESCRIPTORS: Final = 16
_SIGKILL: Final = 9
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_SECCOMP: Final = 22
_PR_SET_NO_NEW_PRIVS: Final = 38
_MODE_FILTER: Final = 2
_EPERM: Final = 1
_KILL: Final = 0x80000000
_ERRNO: Final = 0x00050000
_ALLOW: Final = 0x7FFF0000
_LOAD: Final = 0x20
_IS: Final = 0x15
_RETURN: Final = 0x06
_NUMBER_AT: Final = 0
"""Where a filter finds the number of a call; the machine and the first argument below."""
_MACHINE_AT: Final = 4
_FIRST_AT: Final = 16


class UnconfinedError(Exception):
    """The system does not let a worker confine itself, so it must not run."""


class _Machine(NamedTuple):
    """How the calls of one kind of processor are numbered."""

    audit: int
    calls: tuple[int, ...]
    """What is left: memory, signals of its own, the clock, `read`, `write`, `close`, `exit`."""
    limits: int
    """`prlimit64`, left for the process itself."""


_MACHINES: Final = {
    "x86_64": _Machine(
        0xC000003E,
        (0, 1, 3, 9, 10, 11, 12, 13, 14, 15, 24, 25, 28, 60, 96, 202, 219, 228, 231, 318),
        302,
    ),
    "aarch64": _Machine(
        0xC00000B7,
        (
            *(57, 63, 64, 93, 94, 98, 113, 124, 128, 134, 135, 139, 169),
            *(214, 215, 216, 222, 226, 233, 278),
        ),
        261,
    ),
}


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("when", ctypes.c_ubyte),
        ("otherwise", ctypes.c_ubyte),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.POINTER(_Instruction)))


def confine(parent: int) -> None:
    """Give up everything; end when the parent has gone in the meantime.

    Raises:
        UnconfinedError: the system does not let it.
    """
    os.environ.clear()
    # Where memory is short, a worker goes before the service that started it.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    for limit, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, _DESCRIPTORS),
    ):
        resource.setrlimit(limit, (value, value))
    system = ctypes.CDLL(None, use_errno=True)
    _asked(system, _PR_SET_PDEATHSIG, _SIGKILL)
    if os.getppid() != parent:
        sys.exit()
    _asked(system, _PR_SET_NO_NEW_PRIVS, 1)
    _asked(system, _PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(_program()))


def _asked(system: ctypes.CDLL, option: int, *arguments: object) -> None:
    padding = (0,) * (4 - len(arguments))
    if system.prctl(option, *arguments, *padding):
        why = os.strerror(ctypes.get_errno())
        raise UnconfinedError(f"a worker cannot confine itself here: {why}")


def _program() -> _Program:
    """Return a filter that allows the calls that are left, and makes any other fail."""
    name = os.uname().machine
    machine = _MACHINES.get(name)
    if machine is None:
        raise UnconfinedError(f"a worker cannot confine itself on {name}")
    calls = machine.calls
    steps = [
        _Instruction(_LOAD, 0, 0, _MACHINE_AT),
        _Instruction(_IS, 1, 0, machine.audit),
        _Instruction(_RETURN, 0, 0, _KILL),
        _Instruction(_LOAD, 0, 0, _NUMBER_AT),
        *(_Instruction(_IS, len(calls) - at + 3, 0, number) for at, number in enumerate(calls)),
        _Instruction(_IS, 0, 2, machine.limits),
        _Instruction(_LOAD, 0, 0, _FIRST_AT),
        _Instruction(_IS, 1, 0, 0),
        _Instruction(_RETURN, 0, 0, _ERRNO | _EPERM),
        _Instruction(_RETURN, 0, 0, _ALLOW),
    ]
    return _Program(len(steps), (_Instruction * len(steps))(*steps))
