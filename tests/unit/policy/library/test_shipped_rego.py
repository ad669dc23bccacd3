"""Runs the tests that stand beside the policies, each file in a process of its own.

An undefined test has failed. A process that dies says so by its exit code.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

POLICIES = Path(__file__).resolve().parents[4] / "deploy" / "policies"
TESTS = sorted(POLICIES.rglob("*_test.rego"))
LIBRARIES = sorted(POLICIES.rglob("lib_*.rego"))
POLICY_FILES = sorted(
    path
    for path in POLICIES.rglob("*.rego")
    if not path.name.startswith("lib_") and path not in TESTS
)
RUN = """
import sys, regopy
package, names, *paths = sys.argv[1:]
interpreter = regopy.Interpreter()
for path in paths:
    interpreter.add_module(path, open(path).read())
interpreter.set_input({})
for name in names.split():
    answer = str(interpreter.query(f"x = data.{package}.{name}"))
    if '"bindings":{"x":true}' not in answer:
        print(name, answer)
"""


def _names(text: str) -> list[str]:
    return re.findall(r"^(test_\w+) if", text, re.MULTILINE)


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_a_policy_does_what_its_tests_say(path: Path) -> None:
    policy = path.with_name(path.name.replace("_test.rego", ".rego"))
    text = path.read_text()
    package = text.partition("\n")[0].removeprefix("package ")
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            RUN,
            package,
            " ".join(_names(text)),
            *(str(file) for file in (policy, path, *LIBRARIES)),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


@pytest.mark.parametrize("path", POLICY_FILES, ids=lambda path: path.stem)
def test_a_policy_has_tests_that_allow_and_that_refuse(path: Path) -> None:
    text = path.with_name(f"{path.stem}_test.rego").read_text()

    assert re.search(r"^\tallow with", text, re.MULTILINE)
    assert re.search(r"^\tnot allow with", text, re.MULTILINE)


@pytest.mark.parametrize("path", POLICY_FILES, ids=lambda path: path.stem)
def test_a_policy_starts_from_no(path: Path) -> None:
    assert "\ndefault allow := false\n" in path.read_text()
