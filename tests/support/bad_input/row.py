"""One step that cannot or must not be done, and what is said of it.

All names in a row are `NAME`, and its namespace is `bad-input`; whoever uses a row gives it a
name that is free.
"""

from typing import Final

import msgspec

from shared.api.enums import Action, ErrorType
from shared.api.groups import Kind
from shared.kube.port import Object

NAME: Final = "NAME"
META: Final[Object] = {"name": NAME}
DATA: Final[Object] = {"data": {"a": "1"}}
REFUSED: Final = {"example.com/refused": "yes"}
"""Labels that a policy of the namespace refuses on a ConfigMap."""


class Row(msgspec.Struct, frozen=True):
    """One step on one object."""

    title: str
    kind: Kind
    body: Object | None
    """The object before; None where there is none."""
    action: Action
    given: Object
    """Parameters of the action."""
    error: ErrorType
    words: str
    """Part of the message."""

    def named(self, name: str) -> "Row":
        """Return the row with a name for everything in it."""
        text = msgspec.json.encode(self).replace(NAME.encode(), name.encode())
        return msgspec.json.decode(text, type=Row)
