"""What a service believes of a message: enough to look, and nothing that cannot be meant."""

import json

import pytest

from shared.bus.port import Delivery
from shared.contracts.envelope import RUN_STEP, type_of
from shared.contracts.subjects import Fact
from shared.errors import ContractError
from shared.worker.keys import read_bell

GOOD = {"namespace": "shop", "workflow": "fix.web-1", "uid": "u1"}


def delivery(headers: dict[str, str] | None = None, **changes: object) -> Delivery:
    return Delivery(
        subject="wf.p.3.u1.exec.finished",
        data=json.dumps(GOOD | changes).encode(),
        headers=headers or {},
        deliveries=1,
        stream="WFEVT",
        sequence=7,
    )


@pytest.mark.parametrize("known", ["", RUN_STEP, *map(type_of, Fact)])
def test_a_bell_of_a_known_type_is_read(known: str) -> None:
    headers = {"ce-type": known} if known else {}
    assert read_bell(delivery(headers, execution="fix.web-1-1-a-x")).workflow == "fix.web-1"


@pytest.mark.parametrize("unknown", ["mendflow.finished.v2", "nonsense", "mendflow.finished.v1 "])
def test_another_type_is_not_read(unknown: str) -> None:
    with pytest.raises(ContractError, match=unknown) as caught:
        read_bell(delivery({"ce-type": unknown}, workflow=7))
    assert caught.value.reason == "UnknownType"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("namespace", ""),
        ("namespace", "a/b"),
        ("namespace", "shop\n"),
        ("workflow", ""),
        ("workflow", "../../secrets/x"),
        ("workflow", "a?watch=1"),
        ("execution", "a%2fb"),
        ("execution", ".."),
    ],
)
def test_a_name_that_no_object_has_is_refused(field: str, value: str) -> None:
    with pytest.raises(ContractError, match=rf"\$\.{field}") as caught:
        read_bell(delivery({}, **{field: value}))
    assert caught.value.reason == "Undecodable"


def test_a_bell_for_another_workflow_than_its_subject_is_refused() -> None:
    with pytest.raises(ContractError, match="u2") as caught:
        read_bell(delivery({}, uid="u2"))
    assert caught.value.reason == "UidMismatch"
