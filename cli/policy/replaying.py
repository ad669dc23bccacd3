"""What was recorded, asked again: which answers would be others with changed policies."""

from collections.abc import Iterator
from typing import Final

import msgspec

from cli.policy.overlay import Changed
from shared.api.workflow_spec import StepCondition
from shared.contracts.recorded import SAFETY, RecordedLook, RecordedVerdict
from shared.policy.naming import Stage
from shared.policy.port import Policy, PolicyEngine, Verdict

_STAGES: Final = frozenset(Stage)


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """One question that was asked again."""

    look: RecordedLook
    """Without its input, of which there may be very much."""
    policy: str
    before: RecordedVerdict | None
    """None for a policy that was not there."""
    after: Verdict

    @property
    def changes(self) -> bool:
        """Return whether the answer would be another one."""
        return self.was_allowed is not self.after.allowed

    @property
    def was_allowed(self) -> bool:
        """Return whether it was; a policy that was not there refused nothing."""
        return self.before is None or self.before.allowed


class Replay:
    """Asks recorded questions again, and counts."""

    def __init__(self, changed: Changed, *, engine: PolicyEngine) -> None:
        """Take the policies as they would be, and who evaluates them."""
        self._changed = changed
        self._engine = engine
        self.replayed = 0
        self.without_input = 0
        self.masked = 0
        """Questions whose input is not quite what it was."""

    async def asked(self, look: RecordedLook) -> list[Replayed]:
        """Return what became of the questions of one look that the changed policies concern."""
        questions = list(self._questions(look))
        if look.input is None:
            self.without_input += len(questions)
            return []
        found: list[Replayed] = []
        tenant = f"{look.namespace}/{look.workflow}"
        without_input = msgspec.structs.replace(look, input=None)
        for policy, name, before in questions:
            after = await self._engine.decide(policy, look.input, tenant=tenant)
            found.append(Replayed(look=without_input, policy=name, before=before, after=after))
        self.replayed += len(found)
        self.masked += len(found) if look.masked else 0
        return found

    def _questions(
        self, look: RecordedLook
    ) -> Iterator[tuple[Policy, str, RecordedVerdict | None]]:
        library = self._changed.library
        if look.stage == SAFETY:
            said = {each.policy: each for each in look.verdicts}
            for policy in library.safety:
                if self._changed.concerns(policy):
                    yield policy, policy.name, said.get(policy.name)
            return
        for verdict in look.verdicts if look.stage in _STAGES else ():
            found = self._condition(look, verdict)
            if found is not None and self._changed.concerns(found):
                yield found, verdict.policy, verdict

    def _condition(self, look: RecordedLook, verdict: RecordedVerdict) -> Policy | None:
        """Return the policy that a condition would mean, unless it holds one itself."""
        if verdict.is_inline:
            return None
        condition = StepCondition(
            type=verdict.policy, description="", rego=verdict.reference or None
        )
        found = self._changed.library.find(Stage(look.stage), look.action, condition)
        return found if isinstance(found, Policy) else None
