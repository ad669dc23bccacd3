"""What a process can still do that has confined itself as workers do: nothing but compute."""

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from shared.clock import SystemClock
from shared.policy.engine import WorkerEngine
from tests.support.processes import held_by, said_of
from tests.support.rego import policy

KNOWS_ZONES = Path("/usr/share/zoneinfo/tzdata.zi").exists()
CONFINED = """
import ctypes, os, resource, signal, socket, sys, threading
sys.path.append(sys.argv[1])
from shared.policy.worker_confinement import confine
system = ctypes.CDLL(None, use_errno=True)
parent = os.getppid()
confine(parent)
def call(*arguments):
    if system.syscall(*map(ctypes.c_long, arguments)) < 0:
        raise OSError(ctypes.get_errno(), "refused")
try:
    {attempt}
except OSError as error:
    os.write(1, b"refused %d" % error.errno)
except RuntimeError:
    os.write(1, b"refused 1")
else:
    os.write(1, b"done")
"""
ESCAPES = {
    "read a file": 'os.open("/etc/passwd", os.O_RDONLY)',
    "write a file": 'os.open("/tmp/confined", os.O_WRONLY | os.O_CREAT)',
    "read the environment of its parent": 'os.open(f"/proc/{parent}/environ", os.O_RDONLY)',
    "read the memory of its parent": 'os.open(f"/proc/{parent}/mem", os.O_RDONLY)',
    "list a folder": 'os.listdir("/")',
    "remove a file": 'os.unlink("/tmp/confined")',
    "open a socket": "socket.socket()",
    "open a local socket": "socket.socket(socket.AF_UNIX)",
    "fork": "os.fork()",
    "start a thread": "threading.Thread(target=print).start()",
    "run a program": 'os.execv("/bin/true", ["true"])',
    "trace its parent": "call(101 if os.uname().machine == 'x86_64' else 117, 16, parent, 0, 0)",
    "read across processes": (
        "call(310 if os.uname().machine == 'x86_64' else 270, parent, 0, 0, 0, 0, 0)"
    ),
    "signal its parent": "os.kill(parent, 0)",
    "signal everyone": "os.kill(-1, 0)",
    "reach a descriptor of its parent": "os.pidfd_open(parent)",
    "limit its parent": "resource.prlimit(parent, resource.RLIMIT_NOFILE, (0, 0))",
    "duplicate a descriptor": "os.dup(0)",
    "lift its limits": "os.setuid(0)",
    "change its name spaces": "call(272 if os.uname().machine == 'x86_64' else 97, 0x10000000)",
    "ask the kernel for a queue": "call(425, 8, 0)",
}


def attempted(attempt: str) -> str:
    """Return what came of something that a confined process tried."""
    root = str(Path(__file__).parents[4])
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", CONFINED.format(attempt=attempt), root],
        capture_output=True,
        check=False,
        timeout=60,
    )
    return done.stdout.decode() or done.stderr.decode()


@pytest.mark.parametrize("attempt", ESCAPES.values(), ids=ESCAPES.keys())
def test_nothing_outside_can_be_reached(attempt: str) -> None:
    assert attempted(attempt) == "refused 1"


def test_a_program_for_another_kind_of_machine_ends() -> None:
    """Calls are numbered differently there, so that a filter by number would be passed by."""
    if os.uname().machine != "x86_64":
        pytest.skip("only x86_64 has a second set of numbers that every kernel knows")

    assert attempted("call(0x40000000 + 41, 2, 1, 0)") in {"refused 1", "refused 38"}


@pytest.mark.parametrize(
    "attempt",
    [
        "bytearray(64 * 1024 * 1024)",
        "os.write(1, b'')",
        "resource.setrlimit(resource.RLIMIT_CPU, (7, resource.RLIM_INFINITY))",
    ],
)
def test_it_can_compute_and_answer(attempt: str) -> None:
    assert attempted(attempt) == "done"


async def test_row_82_workers_are_confined(engine: WorkerEngine) -> None:
    await engine.decide(policy("allow := true"), {}, tenant="t")

    for pid in engine.pids:
        status = said_of(pid, "status")
        assert "Seccomp:\t2" in status
        assert "NoNewPrivs:\t1" in status
        assert said_of(pid, "oom_score_adj") == "1000\n"


async def test_row_82_workers_hold_nothing_of_a_service_that_is_connected() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, tempfile.TemporaryFile() as file:
        client = socket.create_connection(server.getsockname())
        for descriptor in (server.fileno(), client.fileno(), file.fileno()):
            os.set_inheritable(descriptor, True)
        async with WorkerEngine(clock=SystemClock(), wait_s=60, load_timeout_s=20) as engine:
            await engine.decide(policy("allow := true"), {}, tenant="t")
            seen = [held_by(pid) for pid in engine.pids]
        client.close()

    assert seen
    for held in seen:
        assert {each for each in held if not each.startswith("pipe:")} == {"/dev/null"}
        assert len(held) == 3


async def test_time_zones_of_the_machine_are_known_to_a_worker_that_cannot_read_them(
    engine: WorkerEngine,
) -> None:
    rules = 'allow if time.clock([1767268800000000000, "Europe/Berlin"]) == [13, 0, 0]'

    verdict = await engine.decide(policy(rules), {}, tenant="t")

    assert verdict.allowed is KNOWS_ZONES
