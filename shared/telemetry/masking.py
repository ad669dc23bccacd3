"""Data with everything replaced that may be secret, before it is kept anywhere.

Values of Secrets go whatever they look like; elsewhere a key or the look of a text decides, as
for logs. A replaced value stays where it was, so that policies still find what they look for.
"""

from typing import Any, Final

import msgspec

from shared.telemetry.redaction import REDACTED, redact, redact_value

_CONTENTS: Final = frozenset({"data", "stringData", "binaryData"})
"""Keys under which Secrets and ConfigMaps hold their values."""
_MANIFESTS: Final = frozenset({"kubectl.kubernetes.io/last-applied-configuration"})
"""Keys whose text is an object in full, as somebody applied it."""


_SHORTEST: Final = 4
"""Characters of a secret that other texts are searched for; a shorter one is in every text."""


class Masked(msgspec.Struct, frozen=True, kw_only=True):
    """What may be kept of some data."""

    data: Any
    replaced: int
    """How many values were."""
    secrets: tuple[str, ...]
    """What they were, longest first."""

    def without_them(self, text: str) -> str:
        """Return a text about the data with the same values replaced."""
        for secret in self.secrets:
            text = text.replace(secret, REDACTED)
        return redact(text)


def masked(data: Any) -> Masked:
    """Return plain JSON values with what may be secret replaced."""
    masking = _Masking()
    kept = masking.of("", data)
    found = {text for text in masking.found if len(text) >= _SHORTEST}
    return Masked(
        data=kept,
        replaced=len(masking.found),
        secrets=tuple(sorted(found, key=len, reverse=True)),
    )


class _Masking:
    def __init__(self) -> None:
        self.found: list[str] = []

    def of(self, key: str, value: Any) -> Any:
        """Return what may be kept of a value, which stands under a key."""
        if key in _CONTENTS and not isinstance(value, bool | None):
            return self._contents(value)
        match value:
            case dict():
                return self._object(value)
            case list() | tuple():
                return [self.of(key, each) for each in value]
            case str():
                kept = REDACTED if key in _MANIFESTS else redact_value(key, value)
                return self._counted(value, kept)
            case _:
                return value

    def _object(self, value: dict[str, Any]) -> dict[str, Any]:
        kept = {self._counted(key, redact(key)): self.of(key, each) for key, each in value.items()}
        # An environment variable: what its name says of its value stands beside it.
        if isinstance(value.get("name"), str) and isinstance(value.get("value"), str):
            kept["value"] = self._counted(
                value["value"], redact_value(value["name"], value["value"])
            )
        return kept

    def _contents(self, value: Any) -> Any:
        match value:
            case dict():
                return {key: self._contents(each) for key, each in value.items()}
            case list() | tuple():
                return [self._contents(each) for each in value]
            case bool() | None:
                return value
            case _:
                self.found.append(str(value))
                return REDACTED

    def _counted(self, before: str, after: object) -> Any:
        if after != before:
            self.found.append(before)
        return after
