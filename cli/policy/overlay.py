"""Changed policies over those in force, and what they concern."""

from collections.abc import Sequence

import msgspec

from cli.policy.checking import checked
from cli.policy.errors import PolicyCommandError, UsageError
from cli.policy.manifests import ConfigMap
from cli.policy.reading import Given
from shared.policy.library import Library
from shared.policy.naming import TESTS, Entry, entry
from shared.policy.port import Policy, PolicyEngine


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """The policies as they would be."""

    library: Library
    texts: frozenset[str]
    """Those that were given."""

    def concerns(self, policy: Policy) -> bool:
        """Return whether an answer of a policy depends on what was given."""
        return policy.module in self.texts or not self.texts.isdisjoint(policy.libraries)


async def changed(
    sets: Sequence[Given], in_force: ConfigMap | None, *, engine: PolicyEngine
) -> Changed:
    """Return the policies in force with those that are given put over them.

    Args:
        sets: what is given.
        in_force: the ConfigMap of the cluster; None for what ships alone.
        engine: checks every text.

    Raises:
        UsageError: what is given contradicts itself, or is nothing.
        PolicyCommandError: a service would not take the result.
    """
    given = _together(sets)
    replaced = {found.identity for found in _entries(given.texts)}
    kept = {
        key: text
        for key, text in (in_force.texts if in_force else {}).items()
        if key not in given.texts and _identity(key, text) not in replaced
    }
    labels = (in_force.metadata.labels if in_force else None) or given.labels
    whole = msgspec.structs.replace(given, texts=kept | given.texts, labels=labels)
    result = await checked(whole, engine=engine)
    if isinstance(result, Library):
        return Changed(library=result, texts=frozenset(_texts(given.texts)))
    told = "\n".join(f"  {_place(whole, key)}: {why}" for key, why in sorted(result.items()))
    raise PolicyCommandError(f"a service would not take these policies:\n{told}")


def _together(sets: Sequence[Given]) -> Given:
    """Return all that is given as one set."""
    texts: dict[str, object] = {}
    places: dict[str, str] = {}
    for each in sets:
        for key, text in each.texts.items():
            if key in texts:
                raise UsageError(f"{each.named(key)}: {places[key]} has the same key; give one")
            texts[key], places[key] = text, each.named(key)
    if not _texts(texts):
        raise UsageError("there is no policy in what is given")
    labels = next((each.labels for each in sets if each.labels), {})
    return Given(texts=texts, places=places, place="what is given", labels=labels)


def _place(whole: Given, key: str) -> str:
    return whole.places.get(key) or f"the ConfigMap in force, {key}"


def _texts(texts: dict[str, object]) -> list[str]:
    return [
        text for key, text in texts.items() if isinstance(text, str) and not key.endswith(TESTS)
    ]


def _entries(texts: dict[str, object]) -> list[Entry]:
    found = (entry(key, text) for key, text in texts.items() if isinstance(text, str))
    return [each for each in found if isinstance(each, Entry)]


def _identity(key: str, text: object) -> tuple[str, ...] | None:
    found = entry(key, text) if isinstance(text, str) else ""
    return found.identity if isinstance(found, Entry) else None
