"""A workflow that ran on a real control plane, decided again by policies that changed since."""

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.kubectl import Kubectl, Object, eventually
from tests.support.services import ROOT, Services
from tests.support.workflows import notify, scale, workflow

if TYPE_CHECKING:
    from pathlib import Path

    from deploy.local.cluster import LocalCluster
    from shared.bus.embedded import EmbeddedServer

CANARY: Final = "canary-7f3a-of-a-backtest"
STAGES: Final = {"precondition", "postcondition", "safety"}
STRICTER: Final = """\
package safety.scaling

import rego.v1

default allow := false

allow if count(deny) == 0

deny contains "nothing grows today" if input.action == "scale_deployment"
"""
BLIND: Final = """\
package precondition.scale_deployment.deployment_exists

import rego.v1

default allow := false

error_message := "nothing is there any more"
"""


def policy_map(namespace: str) -> Object:
    """Return a ConfigMap of one policy, which asks for less than the one that ships."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "kubernaut-workflow-conditions",
            "namespace": namespace,
            "labels": {"version": "v7"},
        },
        "data": {"safety_ours.rego": "package safety.ours\n\nallow := true\n"},
    }


@pytest.fixture
def ran(kubectl: Kubectl, services: Services) -> str:
    """Return the name of a workflow that went through every stage, with a secret in a text."""
    services.wait_connected()
    grow = scale("grow", "web", 3)
    grow["preConditions"] = [{"type": "deployment_exists", "description": "it is there"}]
    grow["postConditions"] = [{"type": "desired_replicas_running", "description": "it runs"}]
    tell = notify("tell", "grow")
    tell["parameters"]["notifyOnly"]["message"] = f"password={CANARY}"
    kubectl.apply(workflow("grown", [grow, tell]))
    kubectl.wait_phase("grown", "Completed")
    return "grown"


def recorded(nats_url: str, namespace: str) -> dict[str, bytes]:
    """Return what is recorded of a namespace, by stage."""
    from shared.bus.stored import StreamReader
    from shared.contracts.recorded import STREAM, decode
    from shared.contracts.subjects import ALL_LOOKS

    async def read() -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        since = datetime(2020, 1, 1, tzinfo=UTC)
        async with StreamReader(nats_url) as reader:
            async for each in reader.messages(STREAM, ALL_LOOKS, since=since, most=100_000):
                look = decode(each.data)
                if look.namespace == namespace:
                    found[look.stage] = found.get(look.stage, b"") + each.data
        return found

    return asyncio.run(read())


def backtest(*words: str, nats_url: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as people do."""
    return subprocess.run(
        [sys.executable, "-m", "cli.mendflow", "policy", "backtest", *words],
        env=os.environ | {"MENDFLOW_NATS_URL": nats_url, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_workflow_that_ran_is_decided_again_by_changed_policies(
    cluster: "LocalCluster",
    nats_server: "EmbeddedServer",
    kubectl: Kubectl,
    ran: str,
    tmp_path: "Path",
) -> None:
    url, against = nats_server.url, f"{kubectl.namespace}/{ran}"
    kept = eventually(lambda: recorded(url, kubectl.namespace), lambda it: it.keys() == STAGES)
    assert all(CANARY.encode() not in data for data in kept.values())
    assert b"[redacted]" in kept["safety"]

    safety = tmp_path / "safety_scaling.rego"
    safety.write_text(STRICTER)
    done = backtest(str(safety), "--against", against, nats_url=url)
    assert done.returncode == 3, done
    (row,) = [line for line in done.stdout.splitlines() if "allow -> deny" in line]
    assert all(word in row for word in ("grow", "safety_scaling.rego", "nothing grows today"))
    assert "2 replayed, 1 would change (1 allow->deny, 0 deny->allow)" in done.stdout

    condition = tmp_path / "scale_deployment_deployment_exists.rego"
    condition.write_text(BLIND)
    kubectl.apply(policy_map(kubectl.namespace))
    done = backtest(
        *(str(condition), "--against", ran, "-n", kubectl.namespace, "--json"),
        *("--kubeconfig", str(cluster.kubeconfig)),
        nats_url=url,
        MENDFLOW_SYSTEM_NAMESPACE=kubectl.namespace,
    )
    assert done.returncode == 3, done
    told = json.loads(done.stdout)
    assert told["revision"].startswith("v7-")
    (change,) = told["changes"]
    assert (change["stage"], change["policy"]) == ("precondition", "deployment_exists")
    assert change["after"]["reasons"] == ["nothing is there any more"]


def test_a_workflow_that_never_was_is_told(
    nats_server: "EmbeddedServer", kubectl: Kubectl, ran: str, tmp_path: "Path"
) -> None:
    safety = tmp_path / "safety_scaling.rego"
    safety.write_text(STRICTER)

    done = backtest(str(safety), "--against", f"{kubectl.namespace}/gone", nats_url=nats_server.url)

    assert done.returncode == 1
    assert f"nothing is recorded of workflow {kubectl.namespace}/gone" in done.stderr
    assert f"{kubectl.namespace}/{ran}" in done.stderr
