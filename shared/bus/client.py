"""The library's client, made to survive what other people publish."""

from typing import Any

import nats.aio.client


class Client(nats.aio.client.Client):
    """Reads on after a message whose headers are none.

    The library lets such an error end its reading task: the connection looks well and hears
    nothing, until its pings go unanswered; then the message comes again. Anybody who may
    publish could silence every reader of a subject with one message.
    """

    async def _process_headers(self, headers: Any) -> dict[str, str] | None:
        try:
            return await super()._process_headers(headers)
        except (IndexError, ValueError):
            return None  # judged by its body alone, like one without headers
