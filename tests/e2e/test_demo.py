"""`make demo` as a newcomer runs it, without a terminal: told line by line, nothing left behind.

One run starts a cluster of its own; the others use the session's, as a user's own cluster.
"""

import fcntl
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import pytest

from tests.support import need
from tests.support.servers import ROOT, kubectl

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

LONGEST_S: Final = 240
NAMESPACE: Final = "mendflow-demo"


class Demo:
    """The command with a work folder of its own."""

    def __init__(self, folder: Path, *arguments: str, kubeconfig: Path | None = None) -> None:
        self.folder = folder
        self._arguments = arguments
        # The user's own settings are not the demo's business.
        own = {"MENDFLOW_NAMESPACE": "elsewhere", "MENDFLOW_QPS": "not a number"}
        self._environment = os.environ | own | {"KUBECONFIG": str(kubeconfig or os.devnull)}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            self._command(*arguments),
            check=False,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=self._environment,
            timeout=LONGEST_S,
        )

    @contextmanager
    def started(self) -> Iterator[subprocess.Popen[str]]:
        """Start it, and see that it ends."""
        with subprocess.Popen(
            self._command(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env=self._environment,
        ) as process:
            try:
                yield process
            finally:
                process.terminate()

    def processes(self) -> dict[int, str]:
        """Return the command of each process that works in the folder, by its id."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and int(entry.name) != os.getpid():
                try:
                    command = (entry / "cmdline").read_bytes()
                    everything = command + (entry / "environ").read_bytes()
                except OSError:  # it has ended meanwhile
                    continue
                if os.fsencode(self.folder) in everything:
                    found[int(entry.name)] = command.replace(b"\0", b" ").decode()
        return found

    def _command(self, *arguments: str) -> list[str]:
        given = arguments or self._arguments
        return [sys.executable, "-m", "cli.demo", *given, "--dir", str(self.folder)]


def addresses_in(text: str) -> list[int]:
    """Return the ports of all servers that the demo named."""
    return [int(port) for port in re.findall(r"(?:https|nats)://127\.0\.0\.1:(\d+)", text)]


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def namespaces(cluster: "LocalCluster") -> list[str]:
    return kubectl(cluster.kubeconfig, "get", "namespaces", "-o", "name").split()


def on(cluster: "LocalCluster", folder: Path, *arguments: str) -> Demo:
    """Return a demo that uses the session's cluster as somebody's own."""
    context = kubectl(cluster.kubeconfig, "config", "current-context").strip()
    return Demo(folder, "--context", context, *arguments, kubeconfig=cluster.kubeconfig)


def test_the_demo_shows_both_endings_and_leaves_nothing(tmp_path: Path) -> None:
    need.control_plane()
    demo = Demo(tmp_path / "demo")

    done = demo.run()

    said = done.stdout
    assert done.returncode == 0, f"{said}\n{done.stderr}"
    assert re.search(r"✔ diamond +Completed", said)
    assert re.search(r"↩ rollback +RolledBack", said)
    assert re.search(r"✘ update-sidecar +Failed .* has no container 'sidecar'", said)
    assert re.search(r"↩ undo grow-web +Completed", said)
    assert re.search(r"web +replicas +2 +4 ", said)
    assert re.search(r"web +replicas +4 +4 +6 ", said)
    assert re.search(r"2 +wf\.evt\.<uid>\.watcher\.wfe-created", said)
    assert re.search(r"\d+ +wf\.cmd\.exec\.<uid>\.<step>\.<attempt>", said)
    assert "kubectl get wfe -w" in said
    assert "nats sub 'wf.>'" in said
    assert "\x1b" not in said
    assert not demo.folder.exists()
    assert demo.processes() == {}
    ports = addresses_in(said)
    assert len(ports) == 2
    assert [port for port in ports if is_open(port)] == []


def test_a_demo_that_is_kept_can_be_looked_at_until_it_is_stopped(
    cluster: "LocalCluster", tmp_path: Path
) -> None:
    from cli.demo.place import State

    demo = on(cluster, tmp_path / "a demo", "--keep")

    done = demo.run()

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    state = msgspec.json.decode((demo.folder / "state.json").read_bytes(), type=State)
    commands = [line for line in done.stdout.splitlines() if line.startswith("  ")]
    (listing,) = [line for line in commands if line.endswith(" get wfe -w")]
    words = shlex.split(listing.removesuffix(" -w"))
    listed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    assert re.search(r"diamond +Completed", listed)
    assert any(line.endswith(f" -s {state.nats_url} sub 'wf.>'") for line in commands)
    ports = [*state.health_ports.values(), *addresses_in(state.nats_url)]
    assert len(ports) == 7
    assert all(is_open(port) for port in ports)

    down = demo.run("down")

    assert (down.returncode, down.stdout.splitlines()[-1]) == (0, "stopped and removed")
    assert not demo.folder.exists()
    assert demo.processes() == {}
    assert not any(is_open(port) for port in ports)
    assert f"namespace/{NAMESPACE}" not in namespaces(cluster)
    # They were there before, so they stay.
    assert "workflowexecutions" in kubectl(cluster.kubeconfig, "get", "crd", "-o", "name")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=lambda how: how.name)
def test_a_demo_that_is_interrupted_leaves_nothing(
    cluster: "LocalCluster", tmp_path: Path, how: signal.Signals
) -> None:
    demo = on(cluster, tmp_path / "demo")

    with demo.started() as process:
        said = read_until(process, "applying examples/diamond.yaml")
        process.send_signal(how)
        said += process.communicate(timeout=LONGEST_S)[0]

    if how is not signal.SIGKILL:
        assert process.returncode == 130
        assert said.splitlines()[-1] == "interrupted; nothing is left running"
        assert not demo.folder.exists()
    # After a kill there is nobody to wait for; who comes next waits, or cleans up.
    wait_until_over(demo)
    assert f"namespace/{NAMESPACE}" not in namespaces(cluster)
    assert not any(is_open(port) for port in addresses_in(said) if port not in ports_of(cluster))


def test_a_service_that_dies_is_named_with_the_end_of_its_log(
    cluster: "LocalCluster", tmp_path: Path
) -> None:
    demo = on(cluster, tmp_path / "demo")

    with demo.started() as process:
        said = read_until(process, "applying examples/targets.yaml")
        (executor,) = [pid for pid, name in demo.processes().items() if "executor" in name]
        os.kill(executor, signal.SIGKILL)
        said += process.communicate(timeout=LONGEST_S)[0]

    assert process.returncode == 1
    assert "error: the executor ended by itself with code -9" in said
    assert f"Logs are in {demo.folder / 'logs'}" in said
    assert "Traceback" not in said
    assert demo.processes() == {}
    assert f"namespace/{NAMESPACE}" not in namespaces(cluster)


def test_a_context_that_does_not_exist_is_said_in_a_sentence(tmp_path: Path) -> None:
    demo = Demo(tmp_path / "demo", "--context", "nowhere")

    done = demo.run()

    assert done.returncode == 1
    assert "error: the context 'nowhere' cannot be used" in done.stderr
    assert "kubectl config get-contexts" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_help_tells_what_is_run_and_what_can_be_chosen(tmp_path: Path) -> None:
    done = Demo(tmp_path / "demo", "--help").run()

    assert done.returncode == 0
    for word in ("--keep", "--context", "down", "make demo KEEP=1", "exit code"):
        assert word in done.stdout


def read_until(process: subprocess.Popen[str], line: str) -> str:
    """Read what it says up to a line."""
    assert process.stdout is not None
    said = ""
    for told in process.stdout:
        said += told
        if told.rstrip() == line:
            return said
    pytest.fail(f"it never said {line!r}: {said}")


def ports_of(cluster: "LocalCluster") -> list[int]:
    return addresses_in(cluster.server)


def wait_until_over(demo: Demo) -> None:
    """Wait for the host to end; it holds the folder until it is gone itself."""
    mark = demo.folder / ".mendflow-demo"
    if mark.exists():
        with mark.open() as held:
            fcntl.flock(held, fcntl.LOCK_SH)
    assert demo.processes() == {}
