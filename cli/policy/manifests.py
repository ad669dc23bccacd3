"""ConfigMaps in the text of a manifest, YAML or JSON, one or many."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
import yaml

_KIND: Final = "ConfigMap"
_LISTS: Final = frozenset({"List", "ConfigMapList"})


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """What is needed of the metadata."""

    name: str = ""
    labels: dict[str, str] | None = None


class ConfigMap(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One ConfigMap as somebody wrote it; what stands under a key may be anything."""

    metadata: Meta = Meta()
    data: dict[str, Any] | None = None
    binary_data: dict[str, Any] | None = None

    @property
    def texts(self) -> dict[str, object]:
        """Return what stands under each key; what is not text stays something else."""
        return {**(self.data or {}), **dict.fromkeys(self.binary_data or {}, b"")}


def config_maps(text: str) -> list[ConfigMap]:
    """Return the ConfigMaps of a manifest.

    Raises:
        ValueError: it is no YAML, or holds something that is no ConfigMap.
    """
    try:
        documents = [each for each in yaml.safe_load_all(text) if each is not None]
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ValueError(_in_one_line(error)) from error
    found = [_converted(each) for document in documents for each in _items(document)]
    if not found:
        message = f"it holds no {_KIND}"
        raise ValueError(message)
    return found


def _items(document: object) -> Iterator[object]:
    if isinstance(document, dict) and document.get("kind") in _LISTS:
        items = document.get("items")
        yield from items if isinstance(items, list) else ()
    else:
        yield document


def _converted(document: object) -> ConfigMap:
    kind = document.get("kind") if isinstance(document, dict) else None
    if kind != _KIND:
        message = f"it holds a {kind}, and only a {_KIND} holds policies" if kind else "no manifest"
        raise ValueError(message)
    try:
        return msgspec.convert(document, ConfigMap)
    except msgspec.ValidationError as error:
        message = f"not a {_KIND}: {error}".replace("`", "")
        raise ValueError(message) from error


def _in_one_line(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "not YAML that can be read: nested too deeply"
    return f"not YAML: {' '.join(str(error).split())}"[:300]
