"""The streams and consumers, as raw JSON: what the server needs, not what a client knows.

`ensure` compares, creates and updates; it never deletes. Safe to run at the same time from
many processes.
"""

import json
from typing import Any, Final

import msgspec
from nats.aio.client import Client

from shared.bus.errors import LIBRARY
from shared.contracts import subjects
from shared.contracts.consumers import ALL, PARTITIONS, Consumer
from shared.contracts.recorded import STREAM as RECORDED
from shared.errors import TransientError

_S: Final = 1_000_000_000
_HOUR: Final = 3600 * _S
_MIB: Final = 1024 * 1024
_MAX_MESSAGE: Final = 8192
_ACK_WAIT_S: Final = 30
_TIMEOUT_S: Final = 5.0
PIN_GROUP: Final = "o"

Config = dict[str, Any]
NAMES: Final = ("WFEVT", "WFCMD", "WFTMR", "WFDLQ", "WFADV", RECORDED)
_NOT_FOUND: Final = 404
_WILL_PASS: Final = frozenset({408, 429, 500, 503})
_UNLIMITED: Final = -1
_ONLY_GROWS: Final = ("max_bytes", "num_replicas")


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One stream as it is. Another `created` means that it was lost in between."""

    created: str
    consumers: int


class RefusedError(TransientError):
    """The server answered, and said no."""

    def __init__(self, message: str, *, code: int) -> None:
        self.code = code
        super().__init__("BusRefused", message)


def streams(*, replicas: int = 1) -> list[Config]:
    """Return the configuration of each stream."""
    common: Config = {"storage": "file", "num_replicas": replicas}
    return [
        common
        | {
            "name": "WFEVT",
            "subjects": ["wf.evt.*.*.*"],
            "retention": "limits",
            "discard": "old",
            "max_age": 72 * _HOUR,
            "max_bytes": 256 * _MIB,
            "max_msg_size": _MAX_MESSAGE,
            "duplicate_window": 300 * _S,
            "compression": "s2",
            "allow_direct": True,
            "subject_transform": {
                "src": "wf.evt.*.*.*",
                "dest": f"wf.p.{{{{partition({PARTITIONS},1)}}}}"
                ".{{wildcard(1)}}.{{wildcard(2)}}.{{wildcard(3)}}",
            },
            "metadata": {"partitions": str(PARTITIONS)},
        },
        common
        | {
            "name": "WFCMD",
            "subjects": ["wf.cmd.*.*.*.*"],
            "retention": "workqueue",
            "discard": "new",
            "discard_new_per_subject": True,
            "max_msgs_per_subject": 1,
            "max_age": 24 * _HOUR,
            "max_msg_size": _MAX_MESSAGE,
            "allow_msg_ttl": True,
        },
        common
        | {
            "name": "WFTMR",
            "subjects": ["wf.tmr.set.>", "wf.tmr.due.>", "wf.tmr.off.>"],
            "retention": "limits",
            "discard": "old",
            "max_age": 0,
            "max_bytes": 256 * _MIB,
            "max_msg_size": _MAX_MESSAGE,
            "allow_msg_schedules": True,
            "allow_msg_ttl": True,
        },
        common
        | {
            "name": "WFDLQ",
            "subjects": ["wf.dlq.*.*.*"],
            "retention": "limits",
            "discard": "old",
            "max_age": 30 * 24 * _HOUR,
            "max_bytes": 1024 * _MIB,
            "allow_direct": True,
        },
        common
        | {
            "name": "WFADV",
            "subjects": [
                "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>",
                "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>",
            ],
            "retention": "limits",
            "discard": "old",
            "max_age": 72 * _HOUR,
            "max_bytes": 64 * _MIB,
            "allow_direct": True,
        },
        common
        | {
            "name": RECORDED,
            "subjects": [subjects.ALL_LOOKS],
            "retention": "limits",
            "discard": "old",
            "max_age": 7 * 24 * _HOUR,
            "max_bytes": 256 * _MIB,
            "max_msgs_per_subject": 64,
            "max_msg_size": _MAX_MESSAGE,
            "compression": "s2",
            "allow_direct": True,
        },
    ]


def consumer_config(consumer: Consumer) -> Config:
    """Return the configuration of one durable consumer."""
    config: Config = {
        "durable_name": consumer.name,
        "name": consumer.name,
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "ack_wait": _ACK_WAIT_S * _S,
        "max_deliver": -1,
        "max_waiting": 64,
        "max_ack_pending": consumer.max_ack_pending,
        "filter_subjects": list(consumer.filters),
    }
    if consumer.pinned:
        config |= {
            "priority_groups": [PIN_GROUP],
            "priority_policy": "pinned_client",
            "priority_timeout": 15 * _S,
        }
    return config


async def ensure(nc: Client, *, replicas: int = 1) -> list[str]:
    """Create what is missing and update what differs; return what the server refused to change.

    A refused change leaves a usable stream or consumer behind, so it is told, not raised.

    Raises:
        TransientError: when the server does not answer, or cannot create a stream.
    """
    refused: list[str] = []
    for config in streams(replicas=replicas):
        await _ensure_stream(nc, config, refused)
    for consumer in ALL:
        body = {"stream_name": consumer.stream, "config": consumer_config(consumer), "action": ""}
        try:
            await _call(nc, f"CONSUMER.CREATE.{consumer.stream}.{consumer.name}", body)
        except RefusedError as error:
            refused.append(str(error))
    return refused


async def survey(nc: Client) -> dict[str, Seen]:
    """Return the streams that exist. Raises TransientError when the server does not answer."""
    found: dict[str, Seen] = {}
    for name in NAMES:
        info = await _info(nc, f"STREAM.INFO.{name}")
        if info is not None:
            found[name] = Seen(
                created=str(info.get("created", "")),
                consumers=int(info.get("state", {}).get("consumer_count", 0)),
            )
    return found


async def has_consumer(nc: Client, consumer: Consumer) -> bool:
    """Return whether a consumer exists. Raises TransientError when the server is silent."""
    return await _info(nc, f"CONSUMER.INFO.{consumer.stream}.{consumer.name}") is not None


def is_complete(found: dict[str, Seen]) -> bool:
    """Return whether every stream is there, with at least as many consumers as are ours."""
    return all(
        name in found and found[name].consumers >= sum(ours.stream == name for ours in ALL)
        for name in NAMES
    )


def merged(live: Config, wanted: Config) -> Config:
    """Return what a stream should be: ours, but never smaller than it is.

    Sizes and replicas are the operator's to raise, and a smaller stream would throw
    messages away. What the server or an operator added stays.
    """
    result = live | wanted
    for key in _ONLY_GROWS:
        if key in wanted and key in live:
            result[key] = _UNLIMITED if live[key] == _UNLIMITED else max(live[key], wanted[key])
    result["metadata"] = live.get("metadata", {}) | wanted.get("metadata", {})
    return result


async def _ensure_stream(nc: Client, config: Config, refused: list[str]) -> None:
    name = config["name"]
    info = await _info(nc, f"STREAM.INFO.{name}")
    if info is None:
        await _call(nc, f"STREAM.CREATE.{name}", config)
        return
    live: Config = {"metadata": {}} | info["config"]
    wanted = merged(live, config)
    if all(live.get(key, 0) == value for key, value in wanted.items()):
        return
    try:
        await _call(nc, f"STREAM.UPDATE.{name}", wanted)
    except RefusedError as error:
        refused.append(str(error))


async def _info(nc: Client, api: str) -> Config | None:
    try:
        return await _call(nc, api, {})
    except RefusedError as error:
        if error.code == _NOT_FOUND:
            return None
        raise


async def _call(nc: Client, api: str, body: Config) -> Config:
    try:
        reply = await nc.request(
            f"$JS.API.{api}", json.dumps(body).encode() if body else b"", timeout=_TIMEOUT_S
        )
    except LIBRARY as error:
        raise TransientError("BusUnavailable", f"{api}: {error!r}") from error
    answer: Config = json.loads(reply.data)
    problem = answer.get("error")
    if problem is None:
        return answer
    told = f"{api}: {problem.get('description')}"
    if problem.get("code") in _WILL_PASS:
        raise TransientError("BusUnavailable", told)
    raise RefusedError(told, code=int(problem.get("code", 0)))
