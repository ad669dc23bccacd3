"""The body of every message: which objects to look at, never what is true of them.

A bell that was lost, doubled, late or forged costs at most one more look. New fields have
defaults; unknown fields are ignored, so an older reader understands a newer bell.
"""

from datetime import datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from shared.errors import ContractError
from shared.ids import Uid

SCHEMA: Final = 1
# Names become parts of a path at the API server: what no object can be called is refused.
_NAME: Final = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?\Z"
_NAME_OR_NOTHING: Final = rf"^\Z|{_NAME}"


class Bell(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Where to look."""

    schema: int = 1
    namespace: Annotated[str, Meta(max_length=63, pattern=_NAME)]
    workflow: Annotated[str, Meta(max_length=253, pattern=_NAME)]
    uid: Annotated[Uid, Meta(min_length=1, max_length=64)]
    step: Annotated[str, Meta(max_length=40)] = ""
    attempt: int = 0
    execution: Annotated[str, Meta(max_length=253, pattern=_NAME_OR_NOTHING)] = ""
    due: Annotated[datetime, Meta(tz=True)] | None = None
    """When a timer was to ring; the clocks of the server and of who hears it may differ."""


_decoder = msgspec.json.Decoder(Bell)
_encoder = msgspec.json.Encoder()


def encode(bell: Bell) -> bytes:
    """Return the JSON body of a message."""
    return _encoder.encode(bell)


def decode(data: bytes) -> Bell:
    """Return the bell in a message body.

    Raises:
        ContractError: when it is no JSON, has a wrong type, or is of an unknown schema.
    """
    try:
        bell = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise ContractError("Undecodable", str(exc)[:200]) from exc
    if bell.schema != SCHEMA:
        raise ContractError("UnknownSchema", f"schema {bell.schema}, this version reads {SCHEMA}")
    return bell
