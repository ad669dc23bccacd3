"""`mendflow policy test`: the unit tests of policies, in the sandbox that services use."""

import argparse
import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from cli.policy.errors import PolicyCommandError, UsageError
from cli.policy.evaluating import WORKERS, patient
from cli.policy.reading import read
from cli.policy.suites import ALL, Suite, suite
from cli.policy.telling import complain, say
from shared.policy.library import policy_of
from shared.policy.naming import TESTS, Entry, Kind, entry
from shared.policy.port import PolicyEngine, Verdict
from shared.policy.shipped import shipped

MOST_FILES: Final = 4096
_LINE: Final = "-" * 80


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one test, or of a file of tests that could not be run."""

    file: Path
    name: str
    """Empty for the file as a whole."""
    why: str = ""
    """Empty when it passed."""


def run(options: argparse.Namespace) -> int:
    """Run the tests of a directory; return the exit code."""
    try:
        outcomes = asyncio.run(_tested(Path(options.directory)))
    except PolicyCommandError as error:
        return complain(error)
    say(report(outcomes))
    return 1 if any(each.why for each in outcomes) else 0


async def _tested(directory: Path) -> list[Outcome]:
    files = policies_below(directory)
    async with patient() as engine:
        return await outcomes_of(files, engine=engine)


def policies_below(directory: Path) -> dict[Path, str]:
    """Return the texts of the policies and tests of a directory and below.

    Raises:
        UsageError: it is no directory, or one of its files cannot be read.
        PolicyCommandError: there is no test in it, or there is too much.
    """
    if not directory.is_dir():
        raise UsageError(f"{directory}: not a directory")
    paths = sorted(path for path in directory.rglob("*.rego") if path.is_file())
    if len(paths) > MOST_FILES:
        raise PolicyCommandError(f"{directory}: {len(paths)} policies; {MOST_FILES} is the most")
    if not any(path.name.endswith(TESTS) for path in paths):
        raise PolicyCommandError(
            f"{directory}: no tests found; they are rules test_* in files *{TESTS}"
        )
    return {path: read(path) for path in paths}


async def outcomes_of(files: dict[Path, str], *, engine: PolicyEngine) -> list[Outcome]:
    """Run every test among some files; what cannot be run has failed."""
    libraries = _libraries(files)
    found = [suite(path, files) for path in files if path.name.endswith(TESTS)]
    turns = asyncio.Semaphore(WORKERS)

    async def results(each: Suite) -> list[Outcome]:
        if each.problem:
            return [Outcome(file=each.file, name="", why=each.problem)]
        async with turns:
            return await _outcomes(each, libraries, engine=engine)

    done = await asyncio.gather(*(results(each) for each in found))
    return [outcome for some in done for outcome in some]


async def _outcomes(
    given: Suite, libraries: tuple[str, ...], *, engine: PolicyEngine
) -> list[Outcome]:
    made = entry(given.key, given.text)
    if isinstance(made, str):
        return [Outcome(file=given.file, name="", why=made)]
    policy = policy_of(made, libraries)
    together = msgspec.structs.replace(
        policy, module=given.text + given.all_of_them, rule=ALL, is_deny=False
    )
    # One question for a whole file is a tenth of the work; only after a no does each count.
    if (await engine.decide(together, {}, tenant="")).allowed:
        return [_outcome(given, name) for name in given.tests]
    defects = await engine.defects(msgspec.structs.replace(policy, rule=given.tests[0]))
    if defects:
        why = "; ".join(given.in_file(each) for each in defects)
        return [Outcome(file=given.file, name="", why=why)]
    found: list[Outcome] = []
    for name in given.tests:
        asked = msgspec.structs.replace(policy, rule=name, is_deny=False)
        verdict = await engine.decide(asked, {}, tenant="")
        found.append(_outcome(given, name, verdict))
    return found


def _outcome(given: Suite, name: str, verdict: Verdict | None = None) -> Outcome:
    why = "" if verdict is None or verdict.allowed else "; ".join(verdict.reasons)
    return Outcome(file=given.file, name=f"data.{given.package}.{name}", why=why)


def report(outcomes: Sequence[Outcome]) -> list[str]:
    """Return what became of tests, file by file, and the totals."""
    lines: list[str] = []
    for file in dict.fromkeys(each.file for each in outcomes):
        lines.append(f"{file}:")
        lines.extend(_told(each) for each in outcomes if each.file == file)
    failed = sum(bool(each.why and each.name) for each in outcomes)
    broken = sum(bool(each.why and not each.name) for each in outcomes)
    total = sum(bool(each.name) for each in outcomes)
    lines.append(_LINE)
    lines.append(f"PASS: {total - failed}/{total}")
    lines += [f"FAIL: {failed}/{total}"] if failed else []
    lines += [f"ERROR: {broken} of the files could not be run"] if broken else []
    return lines


def _told(outcome: Outcome) -> str:
    if not outcome.name:
        return f"ERROR: {outcome.why}"
    return f"{outcome.name}: {f'FAIL, {outcome.why}' if outcome.why else 'PASS'}"


def _libraries(files: dict[Path, str]) -> tuple[str, ...]:
    """Return the libraries among some files, over those that ship."""
    given = [
        found
        for path, text in files.items()
        if not path.name.endswith(TESTS) and isinstance(found := entry(path.name, text), Entry)
    ]
    return _texts((*shipped(), *given))


def _texts(entries: Iterable[Entry]) -> tuple[str, ...]:
    kept = {each.identity: each for each in entries if each.kind is Kind.LIBRARY}
    return tuple(each.text for each in kept.values())
