"""Manifests as people write them: read as kubectl reads them, or refused with the place."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.effects.manifests import Identity, ManifestError, identity_of, parsed, parsed_object

texts = st.text(st.characters(codec="utf-8"), max_size=8)
plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)

UNREADABLE = ("0x_", "0b_", "!!int b", "!!int ''", "!!float b", "!!bool b", "1" * 5000)
"""Values that are of a kind by their form or tag, and then are not."""


@given(plain, st.booleans())
def test_json_is_read_as_it_is_written(value: Any, ascii_only: bool) -> None:
    assert parsed(json.dumps(value, ensure_ascii=ascii_only)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1\nb: [x, y]", {"a": 1, "b": ["x", "y"]}),
        ("a: 2020-01-02", {"a": "2020-01-02"}),
        ("a: 2020-01-02T03:04:05Z", {"a": "2020-01-02T03:04:05Z"}),
        ("a: 12:30", {"a": "12:30"}),
        ("a: 12:30:15.5", {"a": "12:30:15.5"}),
        ("a: 1_000", {"a": 1000}),
        ("a: |\n  x\n  y\n", {"a": "x\ny\n"}),
        ('a: "2"', {"a": "2"}),
    ],
)
def test_yaml_is_read_as_kubectl_reads_it(text: str, value: Any) -> None:
    assert parsed(text) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: [1", "it is no YAML: line 1"),
        ("a: &x 1\nb: *x", "line 2: aliases are not allowed"),
        ("a: 1\n---\nb: 2", "it is no YAML: line 2"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
        ("a: !!binary aGk=", "could not determine a constructor"),
        ("a: !!set {x}", "could not determine a constructor"),
        ("a: .inf", "a number is none"),
        ("1: a", "a key is no text; put it in quotes"),
        ('a: "\\ud83d"', "half a character"),
        ("a: \x98", "character U+0098 is not allowed"),
        *((f"a: {odd}", "cannot be read; put it in quotes") for odd in UNREADABLE),
        ('{"a": ' + "1" * 5000 + "}", "cannot be read; put it in quotes"),
        (f"a: {2**64}", "a number is too large; put it in quotes"),
        (f"a: 0x{'f' * 5000}", "a number is too large; put it in quotes"),
        ("[" * 60 + "]" * 60, "nested too deeply"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_manifest_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ManifestError, match=why.replace("(", "\\(").replace("+", "\\+")):
        parsed(text)


def test_an_object_is_asked_for() -> None:
    with pytest.raises(ManifestError, match="it is no object"):
        parsed_object("[1]")


@pytest.mark.parametrize(
    ("text", "identity"),
    [
        ("kind: [x]\nmetadata: 3", Identity()),
        ("a: [1", Identity()),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: y}",
            Identity(api_version="v1", kind="ConfigMap", name="x", namespace="y"),
        ),
    ],
)
def test_what_a_manifest_says_it_is(text: str, identity: Identity) -> None:
    assert identity_of(text) == identity
