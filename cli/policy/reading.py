"""Policies as they are given on the command line: files side by side, manifests, stdin."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from cli.policy.errors import UsageError
from cli.policy.manifests import config_maps
from shared.policy.naming import CONFIG_MAP, Stage, is_policy, package_of

STDIN: Final = "-"
LARGEST_FILE: Final = 4 * 1024 * 1024
"""Bytes; a ConfigMap holds one MiB, and its manifest is a little longer."""
_REGO: Final = ".rego"
_MANIFESTS: Final = frozenset({".yaml", ".yml", ".json"})
_SHORTEST: Final = 3
"""Parts of the package of a condition that names its own type."""


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """Policies that would be in force together, as the keys of one ConfigMap."""

    texts: dict[str, object]
    places: dict[str, str]
    """What a message calls each key."""
    place: str
    """What it calls all of them."""
    labels: dict[str, str] = {}
    name: str = CONFIG_MAP

    def named(self, key: str) -> str:
        """Return what a message calls a key, or all of them where no key is to blame."""
        return self.places.get(key, self.place)


def given(files: Sequence[str], *, name: str | None) -> list[Given]:
    """Return what is given: each ConfigMap, and all loose policies as one more.

    Args:
        files: paths, or `-` for standard input.
        name: the key of a policy that comes on standard input.

    Raises:
        UsageError: one of them cannot be read, or is nothing that could hold policies.
    """
    loose = Given(texts={}, places={}, place=", ".join(files))
    found: list[Given] = []
    for file in dict.fromkeys(files):
        text = _stdin() if file == STDIN else read(Path(file))
        place = "standard input" if file == STDIN else file
        if _is_manifest(file, text):
            found.extend(_manifests(place, text))
            continue
        key = (name or _key_of(text)) if file == STDIN else Path(file).name
        if key in loose.texts:
            raise UsageError(f"{place}: {loose.places[key]} has the same key {key}; give one")
        loose.texts[key] = text
        loose.places[key] = place
    return [loose, *found] if loose.texts else found


def _is_manifest(file: str, text: str) -> bool:
    if file == STDIN:
        return package_of(text) is None and not is_policy(text.partition("kind:")[0])
    suffix = Path(file).suffix
    if suffix != _REGO and suffix not in _MANIFESTS:
        raise UsageError(f"{file}: neither a policy (.rego) nor a manifest (.yaml, .yml, .json)")
    return suffix in _MANIFESTS


def _manifests(place: str, text: str) -> list[Given]:
    try:
        found = config_maps(text)
    except ValueError as error:
        raise UsageError(f"{place}: {error}") from error
    return [
        Given(
            texts=each.texts,
            places={key: f"{place}: {key}" for key in each.texts},
            place=place,
            labels=each.metadata.labels or {},
            name=each.metadata.name,
        )
        for each in found
    ]


def _key_of(text: str) -> str:
    """Return the key that the package of a text says; a short package does not say the type."""
    parts = (package_of(text) or "").split(".")
    match parts:
        case ["safety" | "lib" as head, name]:
            return f"{head}_{name}{_REGO}"
        case [stage, action, type_] if stage in set(Stage):
            return f"{action}_{type_}{_REGO}"
    raise UsageError(
        "standard input: its package does not say what it is called; give --name KEY.rego"
    )


def read(path: Path) -> str:
    """Return the text of a file. Raises UsageError when that cannot be read."""
    try:
        with path.open("rb") as file:
            return _text(file.read(LARGEST_FILE + 1), str(path))
    except OSError as error:
        why = "is a directory; name its files" if path.is_dir() else (error.strerror or str(error))
        raise UsageError(f"{path}: {why}") from error


def _stdin() -> str:
    return _text(sys.stdin.buffer.read(LARGEST_FILE + 1), "standard input")


def _text(data: bytes, place: str) -> str:
    if len(data) > LARGEST_FILE:
        raise UsageError(f"{place}: larger than the {LARGEST_FILE // 1024} KiB that are read")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{place}: not text in UTF-8: {error.reason}") from error
