"""Whether a policy may be given to the interpreter at all, judged by its text alone.

Sound by being strict: a function is called by its plain name, `with` replaces nothing but the
input, and what a word could mean besides is refused. Runs in the worker, since who wrote the
text also decides how long it takes to read.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from shared.policy.screening_builtins import ALLOWED, FAMILIES, KEYWORDS, OFF
from shared.policy.screening_tokens import Token, Unreadable, tokens

LARGEST_MODULE: Final = 64 * 1024
"""Bytes of one module."""
MOST_LIBRARIES: Final = 16
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LIBRARY: Final = "lib"
_IMPORTABLE: Final = re.compile(r"rego\.v1|future\.keywords(?:\.(?:if|in|every|contains))?")
_MOST_PROBLEMS: Final = 8
_NOT_CALLED: Final = KEYWORDS - {"contains"}


class Path(NamedTuple):
    """A dotted word, its first part standing for itself."""

    parts: tuple[str, ...]
    begins: int
    """Where in the tokens it begins, and where what follows it does."""
    ends: int

    @property
    def text(self) -> str:
        """Return it as it is written."""
        return ".".join(self.parts)


def problems(
    package: str, module: str, libraries: Sequence[str], rule: str, *more: str
) -> list[str]:
    """Return why a policy is not given to the interpreter, in words; empty when it is."""
    found = [*_of_names(package, rule, *more), *_of_sizes(module, libraries)]
    if found:
        return found
    try:
        own = tokens(module)
        others = [tokens(library) for library in libraries]
    except Unreadable as error:
        return [str(error)]
    packages = [_package(each) for each in others]
    found = [*_of_packages(package, _package(own), packages)]
    for each in (own, *others):
        found.extend(_of_module(each, packages))
    if rule not in _heads(own):
        found.append(f"there is no rule {rule}")
    return found[:_MOST_PROBLEMS]


def _of_names(package: str, *rules: str) -> Iterator[str]:
    for name in (*package.split("."), *rules):
        if not _NAME.fullmatch(name) or name in KEYWORDS:
            yield f"{name[:64]!r} cannot be a name"


def _of_sizes(module: str, libraries: Sequence[str]) -> Iterator[str]:
    if len(libraries) > MOST_LIBRARIES:
        yield f"{len(libraries)} libraries, at most {MOST_LIBRARIES} allowed"
    for text in (module, *libraries[:MOST_LIBRARIES]):
        if len(text) > LARGEST_MODULE or len(text.encode(errors="replace")) > LARGEST_MODULE:
            yield f"larger than the {LARGEST_MODULE // 1024} KiB allowed"


def _of_packages(wanted: str, declared: str, libraries: list[str]) -> Iterator[str]:
    if declared != wanted:
        yield f"declares the package {declared[:64]!r}, not {wanted!r}"
    if _is_library(declared):
        yield f"a policy may not be in a package below {_LIBRARY}"
    for library in libraries:
        if not library.startswith(f"{_LIBRARY}."):
            yield f"library {library[:64]!r} is not in a package below {_LIBRARY}"
    if len(set(libraries)) < len(libraries):
        yield "two libraries are in one package, which would mix their rules"


def _of_module(words: list[Token], libraries: list[str]) -> Iterator[str]:
    body, aliases = _past_imports(words), set[str]()
    for path, line in _imports(words):
        wanted = path.removeprefix("data.")
        if wanted != path and any(f"{wanted}.".startswith(f"{each}.") for each in libraries):
            aliases.add(wanted.rpartition(".")[2])
        elif not _IMPORTABLE.fullmatch(path):
            yield f"line {line}: import {path[:64]} is not allowed, or not there"
    aliases |= _renamed(words)
    for at in range(len(words)):
        if words[at].text in {"package", "import"} and at >= body:
            yield f"line {words[at].line}: {words[at].text} has to stand at the beginning"
    for name in sorted(aliases & (FAMILIES | OFF | ALLOWED | KEYWORDS)):
        yield f"nothing may be imported as {name}"
    yield from _of_words(words, body, aliases | _functions(words))


def _of_words(words: list[Token], body: int, known: set[str]) -> Iterator[str]:
    for before, after in pairwise(words[body:]):
        if "." in (before.text, after.text) and not after.glued:
            yield f"line {after.line}: a dotted name has to be written in one"
    for path in _paths(words, body):
        problem = _of_path(path, words, known)
        if problem:
            yield f"line {words[path.begins].line}: {problem}"


def _of_path(path: Path, words: list[Token], known: set[str]) -> str:
    root, called = path.parts[0], _text(words, path.ends) == "("
    if root == "with":
        return "" if _text(words, path.ends) == "input" else "with may replace only the input"
    if root in OFF or (root in FAMILIES and path.text not in ALLOWED):
        return f"{path.text[:64]} is not a function that a policy may call"
    if len(path.parts) > 1:
        fine = root in known or root == "data" or path.text in ALLOWED
    else:
        fine = root in known or root in ALLOWED or root in _NOT_CALLED
    return "" if fine or not called else f"there is no function {path.text[:64]} to call"


def _paths(words: list[Token], begin: int) -> Iterator[Path]:
    """Yield each word that is not a part of another, with the parts that follow it."""
    at = begin
    while at < len(words):
        if words[at].kind != "name" or (at and words[at - 1].text == "."):
            at += 1
            continue
        begins, parts = at, [words[at].text]
        while _text(words, at + 1) == "." and _kind(words, at + 2) == "name":
            parts.append(words[at + 2].text)
            at += 2
        at += 1
        yield Path(tuple(parts), begins, at)


def _package(words: list[Token]) -> str:
    """Return the package that a module declares, or nothing when it does not plainly."""
    if _text(words, 0) != "package":
        return ""
    path = next(_paths(words, 1), None)
    return path.text if path and path.begins == 1 else ""


def _past_imports(words: list[Token]) -> int:
    """Return where the rules begin."""
    at = next((path.ends for path in _paths(words, 1)), len(words))
    while _text(words, at) == "import":
        at = next((path.ends for path in _paths(words, at + 1)), len(words))
        if _text(words, at) == "as":
            at += 2
    return at


def _imports(words: list[Token]) -> Iterator[tuple[str, int]]:
    for at in range(_past_imports(words)):
        if words[at].text == "import":
            path = next(_paths(words, at + 1), None)
            yield (path.text if path else "", words[at].line)


def _renamed(words: list[Token]) -> set[str]:
    return {
        words[at + 1].text
        for at in range(_past_imports(words) - 1)
        if words[at].text == "as" and words[at + 1].kind == "name"
    }


def _heads(words: list[Token]) -> set[str]:
    """Return what could be names of rules: what stands first on a line, outside of brackets."""
    return {
        words[at].text
        for at in range(_past_imports(words), len(words))
        if words[at].kind == "name"
        and words[at].depth == 0
        and (words[at].leads or words[at - 1].text == "default")
    } - KEYWORDS


def _functions(words: list[Token]) -> set[str]:
    heads = _heads(words)
    return {a.text for a, b in pairwise(words) if a.text in heads and b.text == "("}


def _is_library(package: str) -> bool:
    return f"{package}.".startswith(f"{_LIBRARY}.")


def _text(words: list[Token], at: int) -> str:
    return words[at].text if at < len(words) else ""


def _kind(words: list[Token], at: int) -> str:
    return words[at].kind if at < len(words) else ""
