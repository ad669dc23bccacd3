"""What a policy is called and what its name makes of it: keys, packages, references.

Nothing here evaluates Rego; the first statement of a text is read, and no more.
"""

import re
from enum import StrEnum
from typing import Final

import msgspec

from shared.effects.catalogue import canonical

CONFIG_MAP: Final = "kubernaut-workflow-conditions"
"""Its keys replace and add to the policies that ship."""
ANY_ACTION: Final = "any"
"""In a package, in place of an action: the policy serves every action."""
ALIASES: Final = {
    "replicas_match": "current_replicas_match",
    "replicas_running": "desired_replicas_running",
    "health_check": "deployment_health_check",
}
"""Short names of types of conditions."""
TESTS: Final = "_test.rego"
"""How a key ends that holds tests, which no service evaluates."""
_SUFFIX: Final = ".rego"
_PACKAGE: Final = re.compile(r"package[ \t]+([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)[ \t]*(?:#.*)?")
_SAYS_PACKAGE: Final = re.compile(r"^[ \t]*package\b", re.MULTILINE)
_RULE: Final = re.compile(r"^(?:default[ \t]+)?([A-Za-z_]\w*)\b", re.MULTILINE)
_NO_RULES: Final = frozenset({"package", "import", "else"})


class Stage(StrEnum):
    """When a condition is checked."""

    PRECONDITION = "precondition"
    POSTCONDITION = "postcondition"


class Kind(StrEnum):
    """What a text is for."""

    CONDITION = "condition"
    GROUP = "group"
    """Conditions of one action, each a rule."""
    SAFETY = "safety"
    LIBRARY = "library"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One text of the library, and what its key and package make of it."""

    key: str
    text: str
    package: str
    kind: Kind
    stage: Stage | None = None
    """Set for conditions, as are the next two."""
    action: str = ""
    type: str = ""

    @property
    def identity(self) -> tuple[str, ...]:
        """Return what no two texts of one library share."""
        if self.kind is Kind.CONDITION:
            return (self.kind, str(self.stage), self.action, self.type)
        return (self.kind, self.key if self.kind is Kind.GROUP else self.package)


def package_of(text: str) -> str | None:
    """Return the package a text declares, or None where that is not its first statement.

    Only plain names with dots between them count, on a line of their own.
    """
    for line in text.splitlines():
        statement = line.strip()
        if statement and not statement.startswith("#"):
            found = _PACKAGE.fullmatch(statement)
            return found[1] if found else None
    return None


def is_policy(text: str) -> bool:
    """Return whether a text means to be a policy, and not the name of one."""
    return _SAYS_PACKAGE.search(text) is not None


def rules_of(text: str) -> frozenset[str]:
    """Return the names that stand where a rule would begin."""
    return frozenset(_RULE.findall(text)) - _NO_RULES


def action_named(name: str) -> str:
    """Return the canonical spelling of an action; a name nobody knows stays as it is."""
    return str(canonical(name) or name)


def entry(key: str, text: str) -> Entry | str:
    """Return what a key of the ConfigMap holds, or why it can be nothing, in words."""
    package = package_of(text)
    if not key.endswith(_SUFFIX):
        return f"a key must end in {_SUFFIX}"
    if package is None:
        return "its first statement must be a package line such as `package safety.mine`"
    stem, (head, *rest) = key.removesuffix(_SUFFIX), package.split(".")
    if head == "lib" or stem.startswith("lib_"):
        return _library(key, text, package)
    if head == "safety":
        return _safety(key, text, package)
    if head in set(Stage):
        return _condition(Entry(key=key, text=text, package=package, kind=Kind.CONDITION), rest)
    return (
        f"package {package} must begin with precondition, postcondition, safety or lib,"
        " which says what it is for"
    )


def _library(key: str, text: str, package: str) -> Entry | str:
    if not key.startswith("lib_") or not package.startswith("lib."):
        return f"a library has a key lib_<name>.rego and a package below lib, not {package}"
    return Entry(key=key, text=text, package=package, kind=Kind.LIBRARY)


def _safety(key: str, text: str, package: str) -> Entry | str:
    name = package.removeprefix("safety.")
    if "." in name or key != f"safety_{name}{_SUFFIX}":
        return f"package {package} and the key must agree: safety.<name> and safety_<name>.rego"
    return Entry(key=key, text=text, package=package, kind=Kind.SAFETY)


def _condition(found: Entry, rest: list[str]) -> Entry | str:
    """Return a condition: a key `<action>_<type>` or `<type>`, or a group of an action."""
    stage, stem = Stage(found.package.split(".")[0]), found.key.removesuffix(_SUFFIX)
    placed = msgspec.structs.replace(found, stage=stage)
    match rest:
        case [action] if stem == f"{action}_{stage}s":
            return msgspec.structs.replace(
                placed, kind=Kind.GROUP, action=action_named(action), type=""
            )
        case [action]:
            return msgspec.structs.replace(placed, action=action_named(action), type=stem)
        case [action, kind] if stem in {kind, f"{action}_{kind}"}:
            return msgspec.structs.replace(placed, action=action_named(action), type=kind)
    return (
        f"package {found.package} and the key must agree: {stage}.<action>.<type> and"
        f" <action>_<type>.rego"
    )
