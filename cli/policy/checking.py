"""`mendflow policy check`: whether a service would take these policies, and why not."""

import argparse
import asyncio
from collections.abc import Sequence

from cli.policy.errors import PolicyCommandError
from cli.policy.evaluating import as_in_service, settings
from cli.policy.reading import Given, given
from cli.policy.telling import complain, say
from shared.errors import TransientError
from shared.policy.library import Library
from shared.policy.loading import Problems, loaded
from shared.policy.naming import CONFIG_MAP, TESTS, Entry, Kind, entry
from shared.policy.port import PolicyEngine
from shared.policy.shipped import shipped


def run(options: argparse.Namespace) -> int:
    """Check what is given; return the exit code."""
    try:
        sets = given(options.files, name=options.name)
        results = asyncio.run(_checked(sets))
    except PolicyCommandError as error:
        return complain(error)
    for each, result in zip(sets, results, strict=True):
        say(report(each, result))
    return 0 if all(isinstance(result, Library) for result in results) else 1


async def _checked(sets: Sequence[Given]) -> list[Library | Problems]:
    async with as_in_service(settings()) as engine:
        return [await checked(each, engine=engine) for each in sets]


async def checked(what: Given, *, engine: PolicyEngine) -> Library | Problems:
    """Return the library that a service would make of it, or what is wrong.

    Raises:
        PolicyCommandError: nobody can tell on this machine now.
    """
    try:
        return await loaded(what.texts, what.labels, engine=engine)
    except TransientError as error:
        raise PolicyCommandError(f"nothing could be checked: {error}; try again") from error


def report(what: Given, result: Library | Problems) -> list[str]:
    """Return what to tell about a set of policies, in lines."""
    if isinstance(result, Library):
        lines = [f"{what.named(key)}: ok, {_meaning(key, text)}" for key, text in _texts(what)]
        lines += [f"{what.named(key)}: left out, it holds tests" for key in _tests(what)]
        if what.name != CONFIG_MAP:
            lines.append(f"{what.place}: services follow {CONFIG_MAP}, not {what.name!r}")
        return [*lines, f"{len(_texts(what))} fine; in force as {result.revision}"]
    lines = [f"{what.named(key)}: {why}" for key, why in sorted(result.items())]
    return [*lines, f"{len(result)} wrong; a service would take none of them before that is mended"]


def _texts(what: Given) -> list[tuple[str, str]]:
    return [
        (key, text)
        for key, text in sorted(what.texts.items())
        if isinstance(text, str) and not key.endswith(TESTS)
    ]


def _tests(what: Given) -> list[str]:
    return sorted(key for key in what.texts if key.endswith(TESTS))


def _meaning(key: str, text: str) -> str:
    found = entry(key, text)
    if isinstance(found, str):
        return found
    replaces = any(found.identity == each.identity for each in shipped())
    return f"{described(found)}, {'replaces the one that ships' if replaces else 'new'}"


def described(found: Entry) -> str:
    """Return what a text is, such as `precondition replicas_match of scale_deployment`."""
    match found.kind:
        case Kind.CONDITION:
            return f"{found.stage} {found.type} of {found.action}"
        case Kind.GROUP:
            return f"{found.stage}s of {found.action}"
        case Kind.SAFETY:
            return f"safety policy {found.package.removeprefix('safety.')}"
        case Kind.LIBRARY:
            return f"library {found.package}"
