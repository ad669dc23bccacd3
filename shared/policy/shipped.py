"""The policies that come with the program, in force until somebody says otherwise."""

from functools import cache
from importlib.resources import files
from typing import Final

from shared.policy.library import Library, assembled
from shared.policy.naming import TESTS, Entry, entry

VERSION: Final = "builtin"
_FOLDERS: Final = ("conditions", "safety")


def defaults() -> Library:
    """Return the library of nothing but the policies that ship."""
    return assembled(shipped(), version=VERSION)


@cache
def shipped() -> tuple[Entry, ...]:
    """Return the texts that ship, without their tests.

    Raises:
        RuntimeError: one of them has a key or a package that nothing would find.
    """
    texts = {
        file.name: file.read_text(encoding="utf-8")
        for folder in _FOLDERS
        for file in (files("deploy") / "policies" / folder).iterdir()
        if file.name.endswith(".rego") and not file.name.endswith(TESTS)
    }
    found = {key: entry(key, text) for key, text in sorted(texts.items())}
    problems = [f"{key}: {why}" for key, why in found.items() if isinstance(why, str)]
    if problems:
        raise RuntimeError("; ".join(problems))
    return tuple(each for each in found.values() if isinstance(each, Entry))
