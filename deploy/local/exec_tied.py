"""Become another program that dies with the process which started this one.

A script and not an import: `python -I -S exec_tied.py PARENT PROGRAM [ARGUMENT...]`. It runs
between fork and exec, where `preexec_fn` would run too, but that one is unsafe once threads exist.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask the kernel for the signal, then replace this process by the program."""
    parent, program = int(sys.argv[1]), sys.argv[2]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have died before the kernel was asked; then nobody would ever tell us.
    if os.getppid() != parent:
        sys.exit(1)
    os.execv(program, sys.argv[2:])  # noqa: S606 - becoming another program is what this is for


if __name__ == "__main__":
    main()
