"""One act on one object, and what somebody else may change of it.

All names in a case are `NAME`; whoever uses a case gives it one that is free.
"""

from typing import Final

import msgspec

from shared.api.enums import Action
from shared.api.groups import Kind
from shared.api.parameters import ActionParameters, Parameters
from shared.effects.catalogue import parameters_of
from shared.kube.port import Object

NAME: Final = "the-name"


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One act on one object."""

    action: Action
    kind: Kind
    body: Object | None
    """The object before; None where there is none."""
    parameters: Parameters
    there: Object
    """Part that holds after the act."""
    owned: Object
    """Somebody else's change of a field that the act sets."""
    beside: Object = msgspec.field(
        default_factory=lambda: {"metadata": {"labels": {"beside": "it"}}}
    )
    """Somebody else's change of another field."""
    later: Object | None = None
    """A change before the act: a second revision."""

    name: str = NAME

    @property
    def given(self) -> ActionParameters:
        """Return the parameters of the action."""
        found = parameters_of(self.action, self.parameters)
        assert found is not None
        return found

    def named(self, name: str) -> "Case":
        """Return the case with a name for everything in it."""
        text = msgspec.json.encode(self).replace(NAME.encode(), name.encode())
        return msgspec.json.decode(text, type=Case)
