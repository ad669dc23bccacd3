"""docs/scenarios.md tells the truth: each scenario is there, and so is each test it names."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
TABLE: Final = ROOT / "docs" / "scenarios.md"
DONE: Final = (*range(23, 49), *range(56, 99), *range(102, 107))
"""Numbers of the scenarios that have to be shown."""
_ROW: Final = re.compile(r"\| (\d+) \| [^|]+ \| [^|]+ \| (.+) \|")
_LINK: Final = re.compile(
    r"\[(?P<shown>[^]]+)\]\(\.\./tests/(?P<file>[^)]+)\)(?: `(?P<test>\w+)`)?"
)
_TEST: Final = re.compile(r"^(?:async )?def (test_\w+)\(", re.MULTILINE)
_NUMBERS: Final = re.compile(r"test_row((?:_\d+)+)_")


class Shown(NamedTuple):
    """One entry of the table: a scenario, and a file that shows it."""

    number: int
    file: str
    test: str | None
    """Given where the test is not named after the scenario."""


def rows() -> Iterator[tuple[int, str]]:
    for line in TABLE.read_text().splitlines():
        found = _ROW.fullmatch(line)
        if found:
            yield int(found[1]), found[2]


def entries() -> Iterator[Shown]:
    for number, cell in rows():
        for entry in cell.split("<br>"):
            link = _LINK.fullmatch(entry)
            assert link, f"{number}: {entry}"
            assert link["shown"] == link["file"]
            yield Shown(number, link["file"], link["test"])


def test_every_scenario_is_there_once_and_in_order() -> None:
    assert [number for number, _ in rows()] == list(DONE)


@pytest.mark.parametrize("shown", list(entries()), ids=lambda shown: f"{shown.number}-{shown.file}")
def test_what_is_said_to_show_a_scenario_is_a_test(shown: Shown) -> None:
    tests = _TEST.findall((ROOT / "tests" / shown.file).read_text())

    if shown.test is not None:
        assert shown.test in tests
    else:
        assert shown.number in {number for test in tests for number in _numbers(test)}


def _numbers(test: str) -> set[int]:
    """Return the scenarios that a test is named after."""
    found = _NUMBERS.match(test)
    return {int(number) for number in found[1].strip("_").split("_")} if found else set()
