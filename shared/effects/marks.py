"""Labels and annotations that belong to the project."""

from typing import Final

_DOMAINS: Final = ("kubernaut.ai", "kubernaut.io")


def is_ours(key: str) -> bool:
    """Return whether the key of a label or an annotation is of one of our domains."""
    prefix = key.partition("/")[0]
    return any(prefix == domain or prefix.endswith(f".{domain}") for domain in _DOMAINS)
