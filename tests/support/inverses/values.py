"""Names, keys and texts as the API server takes them."""

from typing import Any, Final

from hypothesis import strategies as st

from shared.kube.port import Object
from tests.support.inverses.case import NAME

names: Final = st.from_regex(r"[a-z]([a-z0-9]{0,6}[a-z0-9])?", fullmatch=True)
keys: Final = st.builds(
    lambda prefix, name: f"{prefix}{name}", st.sampled_from(["", "example.com/"]), names
)
file_keys: Final = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,8}", fullmatch=True).filter(
    lambda key: not key.startswith("..")
)
label_values: Final = st.from_regex(
    r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,6}[A-Za-z0-9])?)?", fullmatch=True
)
texts: Final = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
words: Final = texts.filter(bool)
"""Of texts in lists, the API server keeps no empty ones."""
labels: Final = st.dictionaries(keys, label_values, max_size=3)
notes: Final = st.dictionaries(keys, texts, max_size=3)


def maps(values: st.SearchStrategy[str], keys_: st.SearchStrategy[str] = keys) -> Any:
    """Return maps from a few keys, so that what is set is often there already."""
    return st.dictionaries(st.one_of(st.sampled_from(["a", "b", "c"]), keys_), values, max_size=4)


@st.composite
def metadata(draw: st.DrawFn) -> Object:
    """Return labels and annotations, or none."""
    found: Object = {"name": NAME}
    for field, strategy in (("labels", labels), ("annotations", notes)):
        values = draw(st.one_of(st.none(), strategy))
        if values:
            found[field] = values
    return found
