"""Keys as Kubernetes spells them: of labels, annotations and taints, and of data.

A key stands in the path of a field too (docs/rollback.md): one with a bracket in it would be
taken for two.
https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

_WORD: Final = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_MARK: Final = re.compile(rf"([A-Za-z0-9]([-A-Za-z0-9.]{{0,251}}[A-Za-z0-9])?/)?{_WORD}")
_DATA: Final = re.compile(r"[-._A-Za-z0-9]{1,253}")
_VALUE: Final = re.compile(rf"({_WORD})?")
_SHOWN: Final = 64


def mark_problems(keys: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong with keys of labels, annotations or taints, and what to do."""
    for key in keys:
        if not _MARK.fullmatch(key):
            yield (
                f"{key[:_SHOWN]!r} is no key; use up to 63 letters, digits, -, _ and ., "
                "and in front of it a domain with a / if need be"
            )


def data_problems(keys: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong with keys of a ConfigMap or a Secret, and what to do."""
    for key in keys:
        if not _DATA.fullmatch(key):
            yield f"{key[:_SHOWN]!r} is no key; use up to 253 letters, digits, -, _ and ."


def label_value_problems(values: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong with values of labels, and what to do."""
    for value in values:
        if not _VALUE.fullmatch(value):
            yield (
                f"{value[:_SHOWN]!r} is no value of a label; use up to 63 letters, digits, "
                "-, _ and ."
            )
