"""Why a control verb is not followed."""

import msgspec


class Refusal(msgspec.Struct, frozen=True):
    """What a person is told instead."""

    reason: str
    message: str
