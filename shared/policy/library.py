"""The policies in force: which there are, which one a condition means, under which revision.

A library never changes; a new version is another library, put in place of the old at once.
Whoever works with one keeps it for as long as its answers have to agree.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from shared.api.workflow_spec import StepCondition
from shared.policy.naming import (
    ALIASES,
    ANY_ACTION,
    CONFIG_MAP,
    Entry,
    Kind,
    Stage,
    action_named,
    is_policy,
    package_of,
    rules_of,
)
from shared.policy.port import Policy

__all__ = ["Library", "LivePolicies", "Stage", "assembled"]

_LONGEST_LABEL: Final = 51
"""With a hyphen and 12 digits, a revision has 64 characters at most."""
_SUFFIX: Final = ".rego"
_HOMES: Final = frozenset({"configmap", CONFIG_MAP})
"""What a reference `configmap:key:rule` may begin with."""
_NOTES: Final = "note"
"""Rule of a safety policy that may say what people should know of what it allows."""
_USES_LIBRARIES: Final = re.compile(r"\blib\b")


class Library(msgspec.Struct, frozen=True, kw_only=True):
    """One version of all policies."""

    revision: str
    """The label `version` and a digest of all texts; at most 64 characters."""
    conditions: Mapping[tuple[Stage, str, str], Policy]
    """By stage, action and type."""
    keys: Mapping[str, Policy]
    """What a reference can name: conditions, and groups of them."""
    safety: tuple[Policy, ...] = ()
    libraries: tuple[str, ...] = ()

    def known(self, stage: Stage, action: str, type: str) -> bool:  # noqa: A002 the field's name
        """Return whether a type alone names a policy, for an action at a stage."""
        return self._named(stage, action, type) is not None

    def find(self, stage: Stage, action: str, condition: StepCondition) -> Policy | str:
        """Return the policy that a condition of a step means, or why there is none, in words.

        Args:
            stage: before the step or after it.
            action: what the step does, in any spelling.
            condition: with Rego of its own, a reference, or nothing but a known type.
        """
        text = (condition.rego or "").strip()
        if not text:
            found = self._named(stage, action, condition.type)
            return found or (
                f"no {stage} {condition.type!r} is known for {action}; it needs Rego of its own,"
                f" a reference, or one of: {self._types(stage, action)}"
            )
        if is_policy(text):
            return self._inline(condition.type, text)
        if text.partition(":")[0] in _HOMES and ":" in text:
            return self._ruled(text)
        if text.endswith(_SUFFIX) and len(text.split()) == 1:
            return self._referred(stage, action, text)
        return (
            "this is neither a policy, which begins with a package line, nor a reference such as"
            f" {condition.type}.rego or configmap:key:rule"
        )

    def _named(self, stage: Stage, action: str, type_: str) -> Policy | None:
        for name in (type_, ALIASES.get(type_, type_)):
            for owner in (action_named(action), ANY_ACTION):
                found = self.conditions.get((stage, owner, name))
                if found is not None:
                    return found
        return None

    def _types(self, stage: Stage, action: str) -> str:
        owners = {action_named(action), ANY_ACTION}
        found = {key[2] for key in self.conditions if key[0] is stage and key[1] in owners}
        return ", ".join(sorted(found)) or "none"

    def _inline(self, type_: str, text: str) -> Policy | str:
        package = package_of(text)
        if package is None:
            return "its first statement must be a package line such as `package precondition.mine`"
        if package.split(".")[0] == "lib":
            return f"package {package} is for libraries; a policy needs another"
        return Policy(
            name=f"{type_} (inline)",
            package=package,
            module=text,
            libraries=_used(text, self.libraries),
        )

    def _referred(self, stage: Stage, action: str, key: str) -> Policy | str:
        """Return what `<type>.rego` means for this action, or else what stands under a key."""
        found = self._named(stage, action, key.removesuffix(_SUFFIX)) or self.keys.get(key)
        return found or f"there is no policy {key!r} in {CONFIG_MAP}, nor one that ships"

    def _ruled(self, text: str) -> Policy | str:
        _, key, rule = (*text.split(":", 2), "")[:3]
        found = self.keys.get(key) or self.keys.get(f"{key}{_SUFFIX}")
        if found is None:
            return f"there is no policy {key!r} in {CONFIG_MAP}, nor one that ships"
        rule = rule or found.rule
        if rule not in rules_of(found.module):
            return f"{key} has no rule {rule!r}"
        if rule == found.rule:
            return found
        return msgspec.structs.replace(
            found, name=f"{key}:{rule}", rule=rule, reasons=f"{rule}_error_message"
        )


class LivePolicies:
    """The library in force; replaced as a whole."""

    def __init__(self, library: Library) -> None:
        """Begin with a library."""
        self._current = library

    @property
    def current(self) -> Library:
        """Return the library in force now; keep it while answers have to agree."""
        return self._current

    def swap(self, library: Library) -> bool:
        """Put another library in force; return whether that changes anything."""
        changes = library.revision != self._current.revision
        self._current = library
        return changes


def assembled(entries: Iterable[Entry], *, version: str) -> Library:
    """Return the library of some texts; of two that mean the same, the later one counts.

    Args:
        entries: the texts, those that may be replaced first.
        version: what people call this version; cut where it is long.
    """
    kept = {entry.identity: entry for entry in entries}
    ordered = sorted(kept.values(), key=lambda entry: (entry.kind, entry.key, entry.package))
    libraries = tuple(entry.text for entry in ordered if entry.kind is Kind.LIBRARY)
    policies = [
        (entry, msgspec.structs.replace(policy_of(entry, libraries), is_shared=True))
        for entry in ordered
        if entry.kind is not Kind.LIBRARY
    ]
    return Library(
        revision=f"{version[:_LONGEST_LABEL]}-{_digest(ordered)}",
        conditions={
            (entry.stage, entry.action, entry.type): policy
            for entry, policy in policies
            if entry.kind is Kind.CONDITION and entry.stage is not None
        },
        keys={entry.key: policy for entry, policy in policies if entry.kind is not Kind.SAFETY},
        safety=tuple(policy for entry, policy in policies if entry.kind is Kind.SAFETY),
        libraries=libraries,
    )


def policy_of(entry: Entry, libraries: tuple[str, ...]) -> Policy:
    """Return what evaluates a text that is no library, among the libraries there are."""
    is_safety = entry.kind is Kind.SAFETY
    return Policy(
        name=entry.key,
        package=entry.package,
        module=entry.text,
        libraries=_used(entry.text, libraries),
        reasons="deny" if is_safety else "error_message",
        is_deny=is_safety,
        notes=_NOTES if is_safety and _NOTES in rules_of(entry.text) else "",
    )


def _used(text: str, libraries: tuple[str, ...]) -> tuple[str, ...]:
    return libraries if _USES_LIBRARIES.search(text) else ()


def _digest(entries: Iterable[Entry]) -> str:
    digest = hashlib.sha256()
    for entry in entries:
        for part in (entry.key, entry.text):
            data = part.encode()
            digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:12]
