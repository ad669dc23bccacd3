"""What policies were asked about a step and what they said, kept to be asked again.

One message holds one look: all verdicts on one input. The text of a policy is never in it.
New fields have defaults; unknown fields are ignored, as in a bell.
"""

import base64
import binascii
import zlib
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from shared.errors import ContractError
from shared.ids import Uid

SCHEMA: Final = 1
STREAM: Final = "WFPOL"
SAFETY: Final = "safety"
"""The stage of looks of safety policies; those of conditions are called as the conditions."""
LARGEST_INPUT: Final = 256 * 1024
"""Bytes; what policies are asked with is never larger."""


class RecordedVerdict(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True
):
    """What one policy said."""

    policy: str
    """The type of a condition, or the key of a safety policy."""
    reference: str = ""
    """What a condition names as its policy, if it does."""
    is_inline: bool = False
    """Whether the condition holds its policy, which only its workflow knows."""
    allowed: bool = False
    failure: str = ""
    """Why there was no answer, where the policy did not say no itself."""
    reasons: tuple[str, ...] = ()


class RecordedLook(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One look at a step."""

    schema: int = 1
    namespace: str
    workflow: str
    uid: Uid
    step: str
    action: str
    stage: str
    """`precondition`, `postcondition` or `safety`."""
    revision: str
    """Of the policies that were in force."""
    time: Annotated[datetime, Meta(tz=True)]
    verdicts: tuple[RecordedVerdict, ...]
    input: dict[str, Any] | None = None
    packed: str = ""
    """The input as JSON, compressed and in base64, where it does not fit as it is."""
    masked: int = 0
    """How many values of the input were replaced because they may be secret."""

    @property
    def has_input(self) -> bool:
        """Return whether it can be asked again."""
        return self.input is not None or bool(self.packed)


_decoder = msgspec.json.Decoder(RecordedLook)
_encoder = msgspec.json.Encoder()


def fitted(look: RecordedLook, *, room: int) -> RecordedLook:
    """Return a look whose body takes no more than `room` bytes, if need be without its input."""
    if look.input is None or len(encode(look)) <= room:
        return look
    packed = base64.b64encode(zlib.compress(_encoder.encode(look.input), level=9)).decode()
    smaller = msgspec.structs.replace(look, input=None, packed=packed)
    if len(encode(smaller)) <= room:
        return smaller
    return msgspec.structs.replace(look, input=None)


def encode(look: RecordedLook) -> bytes:
    """Return the JSON body of a message."""
    return _encoder.encode(look)


def decode(data: bytes) -> RecordedLook:
    """Return the look in a message body, with its input unpacked.

    Raises:
        ContractError: when it is no JSON, has a wrong type, or is of an unknown schema.
    """
    try:
        look = _decoder.decode(data)
        if look.schema != SCHEMA:
            raise ContractError(
                "UnknownSchema", f"schema {look.schema}, this version reads {SCHEMA}"
            )
        return _unpacked(look) if look.packed else look
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise ContractError("Undecodable", str(exc)[:200]) from exc
    except (zlib.error, binascii.Error) as exc:
        raise ContractError("Undecodable", f"packed: {exc}"[:200]) from exc


def _unpacked(look: RecordedLook) -> RecordedLook:
    inflating = zlib.decompressobj()
    text = inflating.decompress(base64.b64decode(look.packed, validate=True), LARGEST_INPUT)
    if not inflating.eof:
        raise ContractError("Undecodable", "packed: larger than any input, or cut off")
    data = msgspec.json.decode(text, type=dict[str, Any])
    return msgspec.structs.replace(look, input=data, packed="")
