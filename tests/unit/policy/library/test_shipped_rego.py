"""Runs the tests that stand beside the policies, as `mendflow policy test` does."""

import re
from pathlib import Path

import pytest

from cli.policy.evaluating import patient
from cli.policy.testing import outcomes_of, policies_below

POLICIES = Path(__file__).resolve().parents[4] / "deploy" / "policies"
TESTS = sorted(POLICIES.rglob("*_test.rego"))
POLICY_FILES = sorted(
    path
    for path in POLICIES.rglob("*.rego")
    if not path.name.startswith("lib_") and path not in TESTS
)


async def test_every_policy_does_what_its_tests_say() -> None:
    async with patient() as engine:
        outcomes = await outcomes_of(policies_below(POLICIES), engine=engine)

    assert {each.file for each in outcomes} == set(TESTS)
    assert [each for each in outcomes if each.why] == []


@pytest.mark.parametrize("path", POLICY_FILES, ids=lambda path: path.stem)
def test_a_policy_has_tests_that_allow_and_that_refuse(path: Path) -> None:
    text = path.with_name(f"{path.stem}_test.rego").read_text()

    assert re.search(r"^\tallow with", text, re.MULTILINE)
    assert re.search(r"^\tnot allow with", text, re.MULTILINE)


@pytest.mark.parametrize("path", POLICY_FILES, ids=lambda path: path.stem)
def test_a_policy_starts_from_no(path: Path) -> None:
    assert "\ndefault allow := false\n" in path.read_text()
