"""The streams and consumers, as raw JSON: what the server needs, not what a client knows.

`ensure` compares, creates and updates; it never deletes. Safe to run at the same time from
many processes.
"""

import json
from typing import Any, Final

import nats.errors
from nats.aio.client import Client

from shared.contracts.consumers import ALL, PARTITIONS, Consumer
from shared.errors import TransientError

_S: Final = 1_000_000_000
_HOUR: Final = 3600 * _S
_MIB: Final = 1024 * 1024
_MAX_MESSAGE: Final = 8192
_ACK_WAIT_S: Final = 30
_TIMEOUT_S: Final = 5.0
PIN_GROUP: Final = "o"

Config = dict[str, Any]


def streams(*, replicas: int = 1) -> list[Config]:
    """Return the five stream configurations."""
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


async def ensure(nc: Client) -> None:
    """Create what is missing and update what differs.

    Raises:
        TransientError: when the server does not answer, or refuses.
    """
    for config in streams():
        await _ensure_stream(nc, config)
    for consumer in ALL:
        body = {"stream_name": consumer.stream, "config": consumer_config(consumer), "action": ""}
        await _call(nc, f"CONSUMER.CREATE.{consumer.stream}.{consumer.name}", body)


async def created_at(nc: Client, stream: str) -> str:
    """Return when a stream was created, or nothing when it is missing."""
    try:
        answer = await _call(nc, f"STREAM.INFO.{stream}", {})
    except TransientError:
        return ""
    return str(answer.get("created", ""))


async def _ensure_stream(nc: Client, config: Config) -> None:
    name = config["name"]
    try:
        live = (await _call(nc, f"STREAM.INFO.{name}", {}))["config"]
    except TransientError:
        await _call(nc, f"STREAM.CREATE.{name}", config)
        return
    if any(live.get(key) != value for key, value in config.items() if key != "metadata" and value):
        await _call(nc, f"STREAM.UPDATE.{name}", config)


async def _call(nc: Client, api: str, body: Config) -> Config:
    try:
        reply = await nc.request(
            f"$JS.API.{api}", json.dumps(body).encode() if body else b"", timeout=_TIMEOUT_S
        )
    except (nats.errors.Error, TimeoutError) as error:
        raise TransientError("BusUnavailable", f"{api}: {error!r}") from error
    answer: Config = json.loads(reply.data)
    if "error" in answer:
        raise TransientError("BusRefused", f"{api}: {answer['error'].get('description')}")
    return answer


EVENT_CONSUMERS: Final = sum(consumer.stream == "WFEVT" for consumer in ALL)
