"""When an API server could not be reached, and what its refusals are worth after that."""

import asyncio
from http import HTTPStatus
from typing import Final

from shared.errors import TransientError
from shared.kube.errors import is_denial

DOUBT_S: Final = 10.0
"""After it could not be reached, an API server may refuse what it does not know to be allowed."""


class Outages:
    """When the API server could not be reached last."""

    def __init__(self, doubt_s: float) -> None:
        self._doubt_s = doubt_s
        self._until = float("-inf")

    def saw(self) -> None:
        """Take note of a request that came to nothing."""
        self._until = asyncio.get_running_loop().time() + self._doubt_s

    def doubt(self, code: int, body: bytes, *, request: str) -> None:
        """Raise TransientError where a missing right may be one that is not known yet.

        A server that has just started answers before it has read all roles.
        """
        denied = code == HTTPStatus.FORBIDDEN and is_denial(body)
        if denied and asyncio.get_running_loop().time() < self._until:
            message = f"{request}: refused by a server that may not know all rights yet"
            raise TransientError("ApiUnsettled", message)
