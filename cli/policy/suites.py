"""A file of tests, put into one module with the policy that it tests.

Rego has one module for each file; a test sees the rules of its policy because both are in one
package, and the sandbox takes one module of a package.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from shared.policy.naming import TESTS, package_of

ALL: Final = "mendflow_all_tests"
"""A rule of our own that is true when every test of a file is."""
_TEST: Final = re.compile(r"^(test_\w+)\b", re.MULTILINE)
_PACKAGE: Final = re.compile(r"^[ \t]*package\b.*$", re.MULTILINE)
_IMPORT: Final = re.compile(r"^[ \t]*import\b.*$", re.MULTILINE)
_LINE: Final = re.compile(r"line (\d+)")
_SUFFIX: Final = ".rego"


class Suite(msgspec.Struct, frozen=True, kw_only=True):
    """The tests of one file, ready to be run, or why they cannot be."""

    file: Path
    problem: str = ""
    key: str = ""
    """Of the policy."""
    package: str = ""
    text: str = ""
    """The policy and its tests in one module."""
    tests: tuple[str, ...] = ()
    policy: Path = Path()
    imported: int = 0
    """Lines that the imports of the tests take in the module, after its package."""
    package_line: int = 0
    begins: int = 0
    """The line of the module where the file of tests begins."""

    @property
    def all_of_them(self) -> str:
        """Return the rule that asks all tests at once, to stand below them."""
        body = "".join(f"\t{name} == true\n" for name in self.tests)
        return f"\n{ALL} if {{\n{body}}}\n"

    def in_file(self, told: str) -> str:
        """Return a message with lines of the module as lines of the files they came from."""
        return _LINE.sub(lambda match: self._placed(int(match[1])), told)

    def _placed(self, line: int) -> str:
        if line >= self.begins:
            return f"line {line - self.begins + 1}"
        own = line if line <= self.package_line else line - self.imported
        return f"{self.policy.name} line {own}"


def suite(file: Path, files: Mapping[Path, str]) -> Suite:
    """Return the tests of a file, among all the files of a directory."""
    text = files[file]
    package, tests = package_of(text), tuple(dict.fromkeys(_TEST.findall(text)))
    if package is None:
        return Suite(file=file, problem="its first statement must be a package line")
    if not tests:
        return Suite(file=file, problem="it has no rule test_*")
    policy = _tested_by(file, package, files)
    if policy is None:
        return Suite(
            file=file,
            problem=f"no policy of package {package} is beside it; a test is in the package of "
            f"its policy, {file.name.removesuffix(TESTS)}{_SUFFIX}",
        )
    return _merged(file, text, policy, files[policy], tests=tests)


def _tested_by(file: Path, package: str, files: Mapping[Path, str]) -> Path | None:
    beside = file.with_name(f"{file.name.removesuffix(TESTS)}{_SUFFIX}")
    if beside in files and package_of(files[beside]) == package:
        return beside
    named = [
        path
        for path, text in files.items()
        if not path.name.endswith(TESTS) and package_of(text) == package
    ]
    return named[0] if len(named) == 1 else None


def _merged(file: Path, text: str, policy: Path, rules: str, *, tests: tuple[str, ...]) -> Suite:
    own = {line.strip() for line in _IMPORT.findall(rules)}
    more = [line for line in _IMPORT.findall(text) if line.strip() not in own]
    head, rest = _split_after_package(rules)
    body = _IMPORT.sub("", _PACKAGE.sub("", text, count=1))
    above = "\n".join([head, *more]) + f"{rest.rstrip()}\n"
    return Suite(
        file=file,
        key=policy.name,
        package=package_of(text) or "",
        text=above + body,
        tests=tests,
        policy=policy,
        imported=len(more),
        package_line=head.count("\n") + 1,
        begins=above.count("\n") + 1,
    )


def _split_after_package(text: str) -> tuple[str, str]:
    found = _PACKAGE.search(text)
    end = found.end() if found else 0
    return text[:end], text[end:]
