"""The policy port: what services ask of whatever evaluates Rego, and what they hear.

An answer is never an exception: whatever goes wrong is a verdict that does not allow, with
the reason in words. Adapter: `shared.policy.engine` (worker processes).
"""

import hashlib
from enum import StrEnum
from typing import Any, Protocol

import msgspec


class Failure(StrEnum):
    """Why there is no answer, where the policy itself did not say no."""

    TIMEOUT = "PolicyTimeout"
    """Took longer than an evaluation may."""
    MEMORY = "PolicyMemory"
    """Took more memory than an evaluation may."""
    CRASH = "PolicyCrash"
    """Its process died of it."""
    ERROR = "PolicyError"
    """Does not parse, conflicts with itself, or failed while it ran."""
    NOT_BOOLEAN = "PolicyNotBoolean"
    """Answered with something that is neither true nor false."""
    REFUSED = "PolicyRefused"
    """Too large, too deep, or calls what no policy may call; never ran."""
    INPUT = "PolicyInput"
    """The input is too large or too deep; never ran."""
    QUARANTINED = "PolicyQuarantined"
    """Ran out of bounds too often; rests for a while."""
    OVERLOADED = "PolicyOverloaded"
    """No worker became free in time."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Text to evaluate and the one rule that decides."""

    name: str
    """For people: the key it came from, or the step that holds it."""
    package: str
    """The package that its own module declares, such as `precondition.scale_deployment.ok`."""
    module: str
    """Its own text."""
    libraries: tuple[str, ...] = ()
    """Modules that it may import, each of a package below `lib`."""
    rule: str = "allow"
    """Allows only by being true."""
    reasons: str = "error_message"
    """Rule that may say why not: a string, or a set of strings."""
    is_deny: bool = False
    """Whether any reason denies, whatever the rule says."""
    notes: str = ""
    """Rule that may say what people should know of what is allowed; empty for none."""
    is_shared: bool = False
    """Whether it is in force for all, and not the text of one workflow."""

    @property
    def digest(self) -> str:
        """Return what changes with every text and name that could change an answer."""
        parts = (self.package, self.rule, self.reasons, str(self.is_deny), self.notes, self.module)
        digest = hashlib.sha256()
        for part in (*parts, *self.libraries):
            digest.update(len(part).to_bytes(8, "big") + part.encode())
        return digest.hexdigest()[:16]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one evaluation."""

    allowed: bool
    reasons: tuple[str, ...] = ()
    """Why not, for people; never empty for what is not allowed."""
    notes: tuple[str, ...] = ()
    """What people should know of what is allowed."""
    failure: Failure | None = None
    """Set when the policy gave no answer; then it is not allowed."""
    seconds: float = 0.0
    """How long it took, without the wait for a worker."""


class PolicyEngine(Protocol):
    """Evaluates policies that nobody trusts."""

    async def decide(self, policy: Policy, data: dict[str, Any], *, tenant: str) -> Verdict:
        """Return whether a policy allows an input.

        Args:
            policy: what decides.
            data: the input, of plain JSON values.
            tenant: on whose behalf, a namespace and workflow; tenants take turns.
        """
        ...

    async def defects(self, policy: Policy) -> tuple[str, ...]:
        """Return why a policy cannot be used, in words; empty when it can.

        Raises:
            TransientError: nobody can tell now.
        """
        ...
