"""A look of policies as a message: it fits, and comes back as it was."""

import zlib
from base64 import b64encode

import msgspec
import pytest

from shared.contracts.recorded import LARGEST_INPUT, decode, encode, fitted
from shared.contracts.subjects import form_of, looked, uid_of
from shared.errors import ContractError
from shared.ids import StepName, Uid
from tests.support.recording import NOISE, recorded_look, verdict

ROOM = 8000
NO = verdict("safety_x.rego", "not today", failure="")


def test_a_look_comes_back_as_it_was() -> None:
    look = recorded_look(NO, data={"a": [1, {"b": 'quo"te'}]})

    assert decode(encode(fitted(look, room=ROOM))) == look


def test_an_input_that_does_not_fit_is_packed_and_comes_back() -> None:
    look = recorded_look(NO, data={"pods": [{"name": f"web-{n}"} for n in range(2000)]})

    small = fitted(look, room=ROOM)

    assert len(encode(look)) > ROOM >= len(encode(small))
    assert decode(encode(small)) == look


def test_one_that_does_not_fit_even_so_is_left_out_and_the_rest_is_kept() -> None:
    look = recorded_look(NO, data={"noise": NOISE})

    small = fitted(look, room=ROOM)

    assert not small.has_input
    assert decode(encode(small)).verdicts == look.verdicts


def _packed(text: bytes) -> bytes:
    look = msgspec.structs.replace(recorded_look(NO), packed=b64encode(text).decode())
    return encode(look)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        encode(recorded_look(NO)).replace(b'"time":"2026', b'"time":"x'),
        encode(msgspec.structs.replace(recorded_look(NO), schema=2)),
        _packed(b"no zlib"),
        _packed(zlib.compress(b"[1]")),
        _packed(zlib.compress(b"{}")[:-2]),
        _packed(zlib.compress(b'{"a":"' + b" " * LARGEST_INPUT + b'"}')),
    ],
    ids=["empty", "list", "time", "schema", "not packed", "no object", "cut off", "too large"],
)
def test_what_is_no_look_is_refused(body: bytes) -> None:
    with pytest.raises(ContractError):
        decode(body)


def test_its_subject_is_known_by_workflow_and_by_form() -> None:
    subject = looked(Uid("u1"), StepName("grow"), "safety")

    assert uid_of(subject) == "u1"
    assert form_of(subject) == "wf.pol.<uid>.<step>.safety"
