"""What is kept of a program's log: its end, no secrets that show, nothing a terminal obeys."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.telemetry.foreign_logs import KEPT_BYTES, READ_BYTES, kept

KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIabc\ndef\n-----END RSA PRIVATE KEY-----"


def test_an_ordinary_log_stays_as_it_is() -> None:
    assert kept("promoting orders\n\tdone in 3 s: ünïcödé\n") == (
        "promoting orders\n\tdone in 3 s: ünïcödé"
    )


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;ZXZpbA==\x07text", "text"),
        ("\x1bP1$r\x1b\\text", "text"),
        ("\x9b2Jtext", "text"),
        ("\x1bctext", "text"),
        ("text\x1b", "text"),
        ("\x1b]unfinished", ""),
        ("\x9d0;title\x9ctext", "text"),
        ("\x9d0;title\x1b\\text", "text"),
        ("\x9dunfinished", "\\x9dunfinished"),
        ("a quote\x9d\nsaid \x9cagain", "a quote\\x9d\nsaid \\x9cagain"),
        ("a\rb", "a\\x0db"),
        ("a\r\nb", "a\nb"),
        ("a\x00\x07\x08b", "a\\x00\\x07\\x08b"),
        ("a\u202eb\u200bc", "a\\u202eb\\u200bc"),
        ("a\u2028b", "a\\u2028b"),
        ("a\x85b", "a\\x85b"),
        ("{{ .Secret }} ${env.HOME}", "{{ .Secret }} ${env.HOME}"),
    ],
)
def test_nothing_is_left_that_a_terminal_would_obey(written: str, shown: str) -> None:
    assert kept(written) == shown


@pytest.mark.parametrize(
    ("written", "secret"),
    [
        ("Authorization: Bearer abcdefgh12345678", "abcdefgh12345678"),
        ("key AKIAABCDEFGHIJKLMNOP used", "AKIAABCDEFGHIJKLMNOP"),
        ("postgres://admin:hunter2@db/orders", "hunter2"),
        ("redis://:hunter2@cache/0", "hunter2"),
        ("> Authorization: Basic YWRtaW46aHVudGVyMg==", "YWRtaW46aHVudGVyMg"),
        ("login password=hunter2 ok", "hunter2"),
        ("\x1b[1mtoken=\x1b[0mabcdef", "abcdef"),
        ("eyJhbGciOiJI.eyJzdWIiOiIx.c2ln", "eyJzdWIiOiIx"),
        (KEY, "MIIabc"),
        (f"before\n{KEY[10:]}\nafter", "MIIabc"),
        (f"before\n{KEY[:-20]}", "MIIabc"),
    ],
)
def test_what_looks_like_a_secret_is_replaced(written: str, secret: str) -> None:
    assert secret in written
    assert secret not in kept(written)
    assert "[redacted]" in kept(written)


def test_the_end_is_kept_from_the_beginning_of_a_line() -> None:
    lines = [f"line {number} {'é' * 20}" for number in range(400)]

    found = kept("\n".join(lines))

    assert len(found.encode()) <= KEPT_BYTES
    assert found.splitlines() == lines[-len(found.splitlines()) :]
    assert len(found.encode()) > KEPT_BYTES - 100


def test_a_secret_that_was_cut_in_two_is_not_shown() -> None:
    cut = "MNOPsecretrest and more\n" + "x" * READ_BYTES
    endless = "secretrest and more " + "x" * READ_BYTES

    assert "secretrest" not in kept(cut[:READ_BYTES])
    assert "secretrest" not in kept(endless[:READ_BYTES])


def test_a_log_that_is_made_to_take_long_takes_no_longer_than_others() -> None:
    def took_s(text: str) -> float:
        began = time.perf_counter()
        kept(text)
        return time.perf_counter() - began

    ordinary = min(took_s("é" * (READ_BYTES // 2 - 1)) for _ in range(3))
    hostile = min(took_s("\x9d" * (READ_BYTES // 2 - 1) + "\x1b") for _ in range(3))

    assert hostile < 20 * ordinary


@given(st.text(alphabet=st.characters(codec=None), max_size=200))
def test_whatever_is_written_can_be_kept(text: str) -> None:
    found = kept(text)

    assert len(found.encode()) <= KEPT_BYTES
    assert all(
        each in "\n\t" or each.isprintable() or each == "\u3000" or each.isspace() for each in found
    )
    assert "\x1b" not in found
