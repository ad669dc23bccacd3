"""Makes a library of a ConfigMap: all of it, or nothing and the reasons.

Every text is checked by whatever would evaluate it, so that no bad policy is ever in force.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from shared.policy.library import Library, assembled, policy_of
from shared.policy.naming import TESTS, Entry, Kind, entry, rules_of
from shared.policy.port import Policy, PolicyEngine
from shared.policy.shipped import shipped

MAX_KEYS: Final = 512
MAX_TEXT: Final = 65_536
"""Bytes of one text."""
MAX_TOTAL: Final = 1_048_576
"""Bytes of all texts, which is what a ConfigMap holds."""
_AT_ONCE: Final = 4
"""Texts in the hands of the engine, which has others to answer meanwhile."""
_IMPORTS: Final = re.compile(r"\bdata\.lib\b")
_ASKER: Final = "precondition.asker"
_WHOLE: Final = "data"
"""Stands for the ConfigMap where no key is to blame."""

Problems = dict[str, str]
"""What is wrong, by the key that it stands under."""


async def loaded(
    data: Mapping[str, object], labels: Mapping[str, str], *, engine: PolicyEngine
) -> Library | Problems:
    """Return the shipped policies with those of a ConfigMap over them, or what is wrong.

    Args:
        data: what the ConfigMap holds, by key; keys `*_test.rego` are left out.
        labels: its labels; `version` becomes part of the revision.
        engine: checks every text.

    Raises:
        TransientError: the engine has too much to do to tell.
    """
    texts = {key: value for key, value in data.items() if not key.endswith(TESTS)}
    problems = _too_much(texts)
    if problems:
        return problems
    entries, problems = _entries(texts)
    problems |= await _defects(entries, engine=engine)
    if problems:
        return problems
    version = labels.get("version") or "unversioned"
    return assembled((*shipped(), *entries), version=version)


def _too_much(texts: Mapping[str, object]) -> Problems:
    if len(texts) > MAX_KEYS:
        return {_WHOLE: f"{len(texts)} keys; {MAX_KEYS} is the most"}
    sizes = {key: _size(value) for key, value in texts.items()}
    problems = {
        key: f"{size} bytes; a policy has {MAX_TEXT} at most"
        for key, size in sizes.items()
        if size > MAX_TEXT
    }
    if not problems and sum(sizes.values()) > MAX_TOTAL:
        problems[_WHOLE] = f"{sum(sizes.values())} bytes in all; {MAX_TOTAL} is the most"
    return problems


def _size(value: object) -> int:
    return len(value.encode(errors="replace")) if isinstance(value, str) else 0


def _entries(texts: Mapping[str, object]) -> tuple[list[Entry], Problems]:
    entries: dict[tuple[str, ...], Entry] = {}
    problems: Problems = {}
    for key, text in sorted(texts.items()):
        found = entry(key, text) if isinstance(text, str) else "not text"
        if isinstance(found, str):
            problems[key] = found
        elif found.identity in entries:
            problems[key] = f"{entries[found.identity].key} already defines the same"
        else:
            entries[found.identity] = found
    return list(entries.values()), problems


async def _defects(entries: Sequence[Entry], *, engine: PolicyEngine) -> Problems:
    """Return why texts cannot be used, with the libraries that they would be given.

    Libraries come first: a bad one must not be blamed on whoever imports it.
    """
    kept = {found.identity: found for found in (*shipped(), *entries)}
    libraries = tuple(found.text for found in kept.values() if found.kind is Kind.LIBRARY)
    own = [found for found in entries if found.kind is Kind.LIBRARY]
    others = [found for found in entries if found.kind is not Kind.LIBRARY]
    return await _found_out(
        {found.key: _user_of(found, libraries) for found in own}, engine=engine
    ) or await _found_out(
        {found.key: _decider(found, libraries) for found in others}, engine=engine
    )


async def _found_out(policies: Mapping[str, Policy], *, engine: PolicyEngine) -> Problems:
    turns = asyncio.Semaphore(_AT_ONCE)

    async def defects(policy: Policy) -> tuple[str, ...]:
        async with turns:
            return await engine.defects(policy)

    said = await asyncio.gather(*(defects(policy) for policy in policies.values()))
    return {key: "; ".join(whys) for key, whys in zip(policies, said, strict=True) if whys}


def _decider(found: Entry, libraries: tuple[str, ...]) -> Policy:
    """Return what is to be checked of a text; a group decides by each of its rules."""
    policy, rules = policy_of(found, libraries), sorted(rules_of(found.text))
    if found.kind is not Kind.GROUP or not rules:
        return policy
    return msgspec.structs.replace(policy, rule=rules[0])


def _user_of(library: Entry, libraries: Sequence[str]) -> Policy:
    """Return a policy that does nothing but load a library, which decides nothing itself."""
    others = [text for text in libraries if text != library.text]
    return Policy(
        name=library.key,
        package=_ASKER,
        module=f"package {_ASKER}\n\nallow := true\n",
        libraries=(library.text, *(others if _IMPORTS.search(library.text) else ())),
    )
