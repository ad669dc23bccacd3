"""Headers that are no headers: the message is read, and the connection lives on."""

from functools import partial

from shared.bus.embedded import EmbeddedServer
from shared.contracts import subjects
from shared.contracts.consumers import MONITOR
from shared.contracts.subjects import Fact, Service
from shared.ids import Uid
from tests.integration.bus.world import Reader, body, connected, until
from tests.support.raw_nats import VERSION, raw_connection

BLOCKS = {
    "no colon": VERSION + b"\r\nbroken\r\n\r\n",
    "no name": VERSION + b"\r\n: x\r\n\r\n",
    "not text": VERSION + b"\r\n\xff\xfe: \xff\r\n\r\n",
    "no end": VERSION + b"\r\nce-id: x",
    "only the version": VERSION,
    "another version": b"NATS/9.9\r\nce-id: x\r\n\r\n",
    "no version": b"rubbish of any kind",
    "a status": VERSION + b" 503 No Responders\r\n\r\n",
    "a status that is not text": VERSION + b" \xff\xfe\xff\r\n\r\n",
    "a reason that is not text": VERSION + b" 409 \xff\xfe\xff\r\n\r\n",
    "shorter than the version": b"NATS",
    "a status without the version": b"RUBBISH! \xff\xfe\xff\r\n\r\n",
    "a pin of somebody else": VERSION + b"\r\nNats-Pin-Id: x\r\n\r\n",
    "a status as a header": VERSION + b"\r\nStatus: 409\r\nDescription: Consumer Deleted\r\n\r\n",
}


async def test_headers_that_are_none_stop_nothing(server: EmbeddedServer) -> None:
    reader = Reader()
    async with connected(server) as world, world.reading(MONITOR, reader):
        missed = world.missed
        with raw_connection(server.url) as raw:
            for name, headers in BLOCKS.items():
                uid = name.replace(" ", "-")
                subject = subjects.event(Uid(uid), Service.EXECUTOR, Fact.FINISHED)
                raw.publish(subject, body(uid), headers=headers)
                await until(partial(reader.has, uid), told=name)
        assert world.missed == missed
