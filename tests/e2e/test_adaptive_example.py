"""The example that shows off expressions, retries, fallbacks and gates does what it says."""

import yaml

from tests.support.admission import answer
from tests.support.kubectl import Kubectl, eventually
from tests.support.servers import ROOT
from tests.support.services import Services


def test_the_adaptive_example_runs_as_it_says(kubectl: Kubectl, services: Services) -> None:
    services.wait_connected()
    before = kubectl.get("deployment", "web")["spec"]["replicas"]
    made = yaml.safe_load((ROOT / "examples" / "adaptive.yaml").read_text())
    kubectl.apply(made)

    (request,) = eventually(lambda: kubectl.items("aiar"), bool)
    grown = kubectl.get("deployment", "web")["spec"]["replicas"]
    bob = ("--as=bob", "--as-group=system:masters")
    kubectl.ok("patch", "aiar", request["metadata"]["name"], *bob, *answer("Approved", "bob"))
    done = kubectl.wait_phase("adaptive", "Completed", "Failed", "RolledBack")["status"]

    assert done["phase"] == "Completed", done
    assert {step["name"]: step["phase"] for step in done["steps"]} == {
        "grow-web": "Completed",
        "restart-api": "Completed",
        "update-web": "Completed",
        "tell-why-not": "Skipped",
        "announce": "Completed",
        "shrink-web": "Completed",
    }
    assert request["spec"]["step"] == "announce"
    assert (grown, kubectl.get("deployment", "web")["spec"]["replicas"]) == (5, before)
    assert done["workflowResult"]["outcome"] == "success"
