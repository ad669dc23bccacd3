"""What the system says of processes, and a system that has nothing left to give."""

import asyncio
import os
import resource
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

WITHIN_S = 60


async def until(met: Callable[[], bool]) -> None:
    """Wait for something that shows outside only."""
    async with asyncio.timeout(WITHIN_S):
        while not met():  # noqa: ASYNC110 - a test looks from outside
            await asyncio.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Return whether the system knows a process, be it a zombie."""
    return Path(f"/proc/{pid}").exists()


def said_of(pid: int, what: str) -> str:
    """Return what stands in a file about a process."""
    return Path(f"/proc/{pid}/{what}").read_text()


def held_by(pid: int) -> set[str]:
    """Return what the descriptors of a process stand for."""
    return {str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()}


def descriptors() -> int:
    """Return how many descriptors this process holds."""
    return len(list(Path("/proc/self/fd").iterdir()))


def children(*, but: Collection[int] = ()) -> list[int]:
    """Return the processes that this one has to answer for, zombies too, but for some."""
    lists = Path("/proc/self/task").glob("*/children")
    return [pid for each in lists for pid in map(int, each.read_text().split()) if pid not in but]


def resident() -> int:
    """Return the bytes of memory that this process holds."""
    return int(said_of(os.getpid(), "statm").split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Have the system refuse this process every descriptor that is not open yet."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(each.name) for each in Path("/proc/self/fd").iterdir())
    filled = [os.open(os.devnull, os.O_RDONLY)]
    while filled[-1] < highest:
        filled.append(os.open(os.devnull, os.O_RDONLY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (filled[-1] + 1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for each in filled:
            os.close(each)
