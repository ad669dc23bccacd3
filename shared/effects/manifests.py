"""Manifests and patches as people write them: one YAML document without anything clever.

Aliases are refused: a few lines of them stand for gigabytes.
"""

import re
from math import isfinite
from typing import Any, ClassVar, Final

import msgspec
import yaml

_DEEPEST: Final = 50
_LARGEST: Final = 2**63
"""Kubernetes has no larger whole numbers."""
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class ManifestError(ValueError):
    """A text is no manifest; says why, without repeating it."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What an object says it is; empty where it says nothing."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""


def parsed(text: str) -> Any:
    """Return the one document of a YAML or JSON text as plain values.

    Raises:
        ManifestError: when there is none, or more than one, or it uses aliases or tags.
    """
    try:
        found = _loaded(text)
    except yaml.YAMLError as error:
        raise ManifestError(f"it is no YAML: {_place(error)}") from error
    except RecursionError as error:
        raise ManifestError("it is nested too deeply") from error
    except (ValueError, LookupError) as error:
        # What PyYAML raises for a value that its form or tag announces, and that is none.
        raise ManifestError(
            "a number, or what a tag announces, cannot be read; put it in quotes"
        ) from error
    _refuse_odd(found, _DEEPEST)
    return found


def _loaded(text: str) -> Any:
    # JSON may hold characters, and escapes of two halves of one, that YAML does not know.
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return yaml.load(text, Loader=_PlainLoader)  # noqa: S506 - a SafeLoader, and stricter


def parsed_object(text: str) -> dict[str, Any]:
    """Return the one object of a text. Raises ManifestError."""
    found = parsed(text)
    if not isinstance(found, dict):
        raise ManifestError("it is no object; write fields and values")
    return found


def identity_of(text: str) -> Identity:
    """Return what a manifest says it is; empty texts for what it does not say."""
    try:
        found = parsed_object(text)
    except ManifestError:
        return Identity()
    meta = found.get("metadata")
    meta = meta if isinstance(meta, dict) else {}
    return Identity(
        api_version=_text(found.get("apiVersion")),
        kind=_text(found.get("kind")),
        name=_text(meta.get("name")),
        namespace=_text(meta.get("namespace")),
    )


_PLAIN_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map")
)
_NUMBERS: Final = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"


def _number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int | float | str:
    """Return the number of a node; 12:30 is a time, not 750 as PyYAML has it."""
    if ":" in node.value:
        return str(node.value)
    build = yaml.SafeLoader.yaml_constructors[node.tag]
    return build(loader, node)  # type: ignore[no-any-return]


class _PlainLoader(yaml.SafeLoader):
    """Loads no aliases, and nothing that JSON does not have: a date is a text."""

    yaml_constructors: ClassVar = {
        tag: _number if tag in _NUMBERS else build
        for tag, build in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag in _PLAIN_TAGS
    }
    yaml_implicit_resolvers = {  # noqa: RUF012 - as its base class has it
        first: [known for known in resolvers if known[0] != _TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose a node, unless it stands for another one."""
        if self.check_event(yaml.AliasEvent):
            mark = self.get_mark()
            raise yaml.composer.ComposerError(None, None, "aliases are not allowed", mark)
        return super().compose_node(parent, index)


def _refuse_odd(value: Any, left: int) -> None:
    if left == 0:
        raise ManifestError("it is nested too deeply")
    if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        raise ManifestError("a number is too large; put it in quotes")
    if isinstance(value, float) and not isfinite(value):
        raise ManifestError("a number is none; put it in quotes")
    if isinstance(value, str) and not value.isprintable() and _SURROGATE.search(value):
        raise ManifestError("a text holds half a character; write it out")
    nested = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in nested:
        _refuse_odd(each, left - 1)
    if isinstance(value, dict) and not all(isinstance(key, str) for key in value):
        raise ManifestError("a key is no text; put it in quotes")


def _place(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.reader.ReaderError):
        return f"character U+{error.character:04X} is not allowed; escape it"
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return "it cannot be read"
    return f"line {error.problem_mark.line + 1}: {error.problem}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
