"""Lines are JSON with the keys that dashboards know, and carry no secrets."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from shared.telemetry.logging import bound, configure, get_logger
from shared.telemetry.redaction import REDACTED


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    configure(level="info", form="auto", stream=stream)
    yield stream
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_known_keys(out: io.StringIO) -> None:
    with bound(correlation_id="c-1", workflow="heal", namespace="shop", step="scale"):
        get_logger("planner").info("plan published", steps=3, resource_version="7")

    (line,) = lines(out)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "plan published",
        "level": "info",
        "service": "planner",
        "correlationID": "c-1",
        "workflow": "heal",
        "namespace": "shop",
        "step": "scale",
        "steps": 3,
        "resourceVersion": "7",
    }


def test_keys_end_with_their_block(out: io.StringIO) -> None:
    with bound(workflow="heal"):
        pass
    get_logger("planner").info("looked")

    assert "workflow" not in lines(out)[0]


def test_a_level_below_is_not_logged(out: io.StringIO) -> None:
    get_logger("planner").debug("looked")

    assert lines(out) == []


def test_an_exception_is_one_line(out: io.StringIO) -> None:
    try:
        int("broken")
    except ValueError:
        get_logger("planner").exception("reconcile crashed")

    (line,) = lines(out)
    assert "ValueError: invalid literal" in line["trace"]


def test_libraries_go_the_same_way(out: io.StringIO) -> None:
    logging.getLogger("nats").warning("lost %s", "nats://me:hush@host")
    logging.getLogger("nats").info("chatter")

    (line,) = lines(out)
    assert line["logger"] == "nats"
    assert line["event"] == f"lost nats://{REDACTED}@host"


@pytest.mark.usefixtures("out")
def test_a_person_gets_words() -> None:
    stream = io.StringIO()
    configure(level="info", form="console", stream=stream)
    get_logger("planner").info("plan published")

    assert "plan published" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("password", "hush"),
        ("api_key", "hush"),
        ("access_token", "hush"),
        ("note", "eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.c2lnbmF0dXJl"),
        ("note", "AKIAABCDEFGHIJKLMNOP"),
        ("note", "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----"),
    ],
)
def test_secrets_are_kept_out(out: io.StringIO, key: str, text: str) -> None:
    get_logger("planner").info("looked", **{key: text})

    assert REDACTED in out.getvalue()
    assert text not in out.getvalue()


def test_the_ledger_is_no_secret(out: io.StringIO) -> None:
    get_logger("orch").info("looked", tokens=3, token="f1", fence=2)  # noqa: S106 - a word of ours

    assert lines(out)[0]["tokens"] == 3
