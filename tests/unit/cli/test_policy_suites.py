"""Tests of policies, put into one module with what they test, and how they are told of."""

from pathlib import Path

import pytest

from cli.policy.errors import PolicyCommandError, UsageError
from cli.policy.suites import suite
from cli.policy.testing import Outcome, policies_below, report

POLICY = "# Mine.\npackage safety.mine\n\nimport rego.v1\n\ndefault allow := false\n"
TESTS = """\
package safety.mine

import data.lib.actions
import rego.v1

test_one if not allow

test_two if {
	not allow
}

helper if true
"""
BESIDE = Path("safety_mine.rego")
FILE = Path("safety_mine_test.rego")


def test_tests_and_their_policy_become_one_module() -> None:
    found = suite(FILE, {FILE: TESTS, BESIDE: POLICY})

    assert (found.problem, found.key, found.package) == ("", "safety_mine.rego", "safety.mine")
    assert found.tests == ("test_one", "test_two")
    assert found.text.count("package ") == 1
    assert found.text.count("import rego.v1") == 1
    assert found.text.index("import data.lib.actions") < found.text.index("default allow")


def test_a_line_of_the_module_is_told_as_one_of_its_files() -> None:
    found = suite(FILE, {FILE: TESTS, BESIDE: POLICY})
    lines = found.text.split("\n")
    in_tests = lines.index("test_two if {") + 1
    in_policy = lines.index("default allow := false") + 1

    assert found.in_file(f"line {in_tests}: odd") == "line 8: odd"
    assert found.in_file(f"line {in_policy}: odd") == "safety_mine.rego line 6: odd"


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({FILE: "import rego.v1"}, "must be a package line"),
        ({FILE: "package safety.mine\nhelper := true"}, "no rule test_"),
        ({FILE: TESTS}, "no policy of package safety.mine is beside it"),
        ({FILE: TESTS, BESIDE: "package safety.other"}, "no policy of package safety.mine"),
    ],
    ids=["no package", "no tests", "alone", "another package"],
)
def test_a_file_that_cannot_be_run_says_why(files: dict[Path, str], why: str) -> None:
    assert why in suite(FILE, files).problem


def test_the_only_policy_of_a_package_is_found_elsewhere_too() -> None:
    other = Path("elsewhere/mine.rego")

    assert suite(FILE, {FILE: TESTS, other: POLICY}).policy == other


def test_a_directory_without_tests_or_none_at_all_is_told(tmp_path: Path) -> None:
    (tmp_path / "safety_mine.rego").write_text(POLICY)
    with pytest.raises(PolicyCommandError, match="no tests found"):
        policies_below(tmp_path)
    with pytest.raises(UsageError, match="not a directory"):
        policies_below(tmp_path / "gone")


def test_the_report_goes_file_by_file_and_ends_with_totals() -> None:
    outcomes = [
        Outcome(file=FILE, name="data.safety.mine.test_a"),
        Outcome(file=FILE, name="data.safety.mine.test_b", why="test_b is undefined"),
        Outcome(file=Path("x_test.rego"), name="", why="it has no rule test_*"),
    ]

    assert [line for line in report(outcomes) if not line.startswith("---")] == [
        "safety_mine_test.rego:",
        "data.safety.mine.test_a: PASS",
        "data.safety.mine.test_b: FAIL, test_b is undefined",
        "x_test.rego:",
        "ERROR: it has no rule test_*",
        "PASS: 1/2",
        "FAIL: 1/2",
        "ERROR: 1 of the files could not be run",
    ]
