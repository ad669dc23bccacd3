"""Strictness for every test, and the servers that a session shares.

The folder sets the marker. Tests that decide with values may not touch the network. In CI a
skipped test fails the run. Helpers are imported from tests.support, never from here; whatever
needs a program is imported late, so that unit tests run on a bare machine.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import hypothesis
import pytest

from tests.support import need, sockets

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster
    from shared.bus.embedded import EmbeddedServer

TESTS: Final = Path(__file__).parent
WITHOUT_NETWORK: Final = {"unit", "property"}

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("desk", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if need.in_ci() else "desk")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the folder that it is in."""
    for item in items:
        folder = folder_of(item.path)
        if folder:
            item.add_marker(folder)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run of CI that skipped something."""
    if need.in_ci() and _skipped(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why a run without a failed test did not pass."""
    skipped = _skipped(terminalreporter.config)
    if need.in_ci() and skipped:
        terminalreporter.write_line(f"{skipped} skipped: in CI that is a failure", red=True)


def folder_of(path: Path) -> str:
    """Return the folder below tests/ that a file is in, or nothing."""
    if not path.is_relative_to(TESTS):
        return ""
    parts = path.relative_to(TESTS).parts
    return parts[0] if len(parts) > 1 else ""


def _skipped(config: pytest.Config) -> int:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return len(reporter.stats.get("skipped", ())) if reporter else 0


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if folder_of(request.path) in WITHOUT_NETWORK:
        sockets.bar(monkeypatch)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator["LocalCluster"]:
    """A real control plane with our kinds, shared by the session: use a namespace of your own."""
    from tests.support.servers import running_cluster

    with running_cluster(tmp_path_factory.mktemp("cluster") / "local") as running:
        yield running


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator["EmbeddedServer"]:
    """A real nats-server with JetStream, shared by the session."""
    from shared.bus.embedded import EmbeddedServer

    with EmbeddedServer(tmp_path_factory.mktemp("nats")) as running:
        yield running
