"""What may be secret in the input of a policy, and what stays of it."""

from typing import Any

import pytest

from shared.telemetry.masking import masked
from shared.telemetry.redaction import REDACTED

CANARY = "canary-7f3a"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2ln"


@pytest.mark.parametrize(
    "data",
    [
        {"parameters": {"secret": "db", "data": {"k": CANARY, "n": {"deep": [CANARY]}}}},
        {"parameters": {"stringData": {"k": CANARY}}},
        {"parameters": {"binaryData": {"k": CANARY}}},
        {"parameters": {"data": [CANARY]}},
        {"parameters": {"data": CANARY}},
        {"parameters": {"password": CANARY}},
        {"parameters": {"apiKeys": {"api_key": [CANARY]}}},
        {"parameters": {"env": [{"name": "DB_PASSWORD", "value": CANARY}]}},
        {"parameters": {"message": f"https://admin:{CANARY}@db/x"}},
        {"target_resource": {"annotations": {"ours": f"Bearer {CANARY}"}}},
        {
            "target_resource": {
                "annotations": {
                    "kubectl.kubernetes.io/last-applied-configuration": f'{{"env":"{CANARY}"}}'
                }
            }
        },
        {f"https://admin:{CANARY}@db": True},
    ],
)
def test_a_secret_does_not_stay(data: dict[str, Any]) -> None:
    found = masked(data)

    assert CANARY not in str(found.data)
    assert REDACTED in str(found.data)
    assert found.replaced > 0


def test_what_policies_look_at_stays_as_it_is() -> None:
    data = {
        "action": "scale_deployment",
        "parameters": {"replicas": 3, "deployment": "web", "data_bytes": 17},
        "target_resource": {"labels": {"app": "web"}, "found": True, "annotations": {}},
        "image_pull_secrets_exist": True,
        "pods": [{"name": "web-1", "status": "Running"}, None, 1.5],
    }

    found = masked(data)

    assert (found.data, found.replaced) == (data, 0)


def test_keys_of_a_secret_stay_and_its_values_are_counted() -> None:
    found = masked({"parameters": {"data": {"a": CANARY, "b": "x"}}})

    assert found.data == {"parameters": {"data": {"a": REDACTED, "b": REDACTED}}}
    assert found.replaced == 2
    assert found.secrets == (CANARY,)
    assert found.without_them(f"{CANARY} and {JWT}") == f"{REDACTED} and {REDACTED}"
