"""Who ends by itself is started again, who is ended on purpose is not."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.process import Component
from deploy.local.supervision import TRIES, Supervisor

PAUSE_S = 0.01
LONG_S = 20.0


def test_a_component_that_ends_by_itself_is_started_again(tmp_path: Path) -> None:
    component = Component("sleep", command=("/bin/sleep", "60"), log=tmp_path / "log")
    with _supervised(component) as supervisor:
        first = component.pid
        assert first is not None

        os.kill(first, signal.SIGKILL)

        _until(lambda: component.pid not in {None, first})
        assert supervisor.lost() is None


def test_a_component_that_is_killed_here_stays_dead(tmp_path: Path) -> None:
    component = Component("sleep", command=("/bin/sleep", "60"), log=tmp_path / "log")
    with _supervised(component):
        component.send(signal.SIGKILL)
        component.finish(within_s=1)
        time.sleep(1)
        assert not component.is_running()

        component.start()

        assert component.is_running()


def test_a_component_that_ends_again_and_again_is_lost(tmp_path: Path) -> None:
    log = tmp_path / "log"
    component = Component("broken", command=("/bin/sh", "-c", "echo once; exit 3"), log=log)
    with _supervised(component) as supervisor:
        _until(lambda: supervisor.lost() is component)

        assert component.exit_code == 3
        assert log.read_text().splitlines() == ["once"] * (1 + TRIES)


@contextmanager
def _supervised(component: Component) -> Iterator[Supervisor]:
    supervisor = Supervisor([component], pause_s=PAUSE_S)
    component.start()
    supervisor.start()
    try:
        yield supervisor
    finally:
        supervisor.stop()
        component.ask_to_stop()
        component.finish(within_s=1)


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
