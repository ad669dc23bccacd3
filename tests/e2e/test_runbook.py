"""examples/runbook.yaml as a person applies it: many kinds of change, and all of them back."""

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Final

import pytest
import yaml

from tests.support.control import executions, steps_of
from tests.support.kubectl import Kubectl, Object
from tests.support.ledgers import AuditedRequests
from tests.support.namespaces import empty_namespace
from tests.support.servers import ROOT
from tests.support.services import NAMES, Services

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

SET_BY_OTHERS: Final = ("resourceVersion", "generation", "managedFields", "annotations")
TARGETS: Final = ("deployment/web", "configmap/app", "secret/app")
CANARY: Final = "canary-4f1c9b"


@pytest.fixture(scope="module")
def space(cluster: "LocalCluster") -> Kubectl:
    """Kubectl in a namespace with what the runbook works on."""
    kubectl = empty_namespace(cluster, "runbook")
    kubectl.ok("apply", "-f", str(ROOT / "examples" / "targets.yaml"))
    kubectl.ok("create", "configmap", "app", "--from-literal=mode=normal", "--from-literal=level=i")
    kubectl.ok("create", "secret", "generic", "app", f"--from-literal=password={CANARY}")
    kubectl.ok("wait", "deployment", "--all", "--for=condition=Available", "--timeout=60s")
    return kubectl


@pytest.fixture(scope="module")
def before(space: Kubectl) -> dict[str, Object]:
    """Return the targets as they were."""
    return _targets(space)


@pytest.fixture(scope="module")
def audited(cluster: "LocalCluster") -> AuditedRequests:
    """Return what is asked of the API server from now on."""
    return AuditedRequests(cluster.audit_log)


@pytest.fixture(scope="module")
def done(
    space: Kubectl,
    before: dict[str, Object],
    audited: AuditedRequests,
    module_services: Services,
) -> Object:
    """Return the workflow once it has ended."""
    del before, audited, module_services
    space.ok("apply", "-f", str(ROOT / "examples" / "runbook.yaml"))
    return space.wait_phase("runbook", "RolledBack", "RollbackFailed", "Failed", "Completed")


def test_row_62_everything_is_as_it_was(
    space: Kubectl, before: dict[str, Object], done: Object
) -> None:
    assert done["status"]["phase"] == "RolledBack", done["status"]
    assert _targets(space) == before
    assert space.items("networkpolicies") == []


def test_the_ledgers_tell_what_the_api_server_tells_nothing_more_and_nothing_less(
    space: Kubectl, audited: AuditedRequests, done: Object
) -> None:
    del done
    recorded = {each["spec"]["action"] for each in space.items("kex") if _effects(each)}

    assert audited.differences(space.namespace, space.items("kex"), exact=True) == []
    assert len(recorded) >= 8


def test_row_69_what_cannot_be_undone_is_named_before_and_after(done: Object) -> None:
    status = done["status"]

    assert status["executionPlan"]["irreversible"] == ["restart-api"]
    skipped = [step for step in status["rollback"]["steps"] if step["phase"] == "Skipped"]
    told = {step["name"]: step["reason"] for step in skipped}
    assert told == {"restart-api": "Irreversible", "look": "NothingToUndo"}


def test_row_104_before_and_after_stand_on_the_execution(space: Kubectl, done: Object) -> None:
    del done
    captured = {
        each["spec"]["stepName"]: each["status"]["rollbackInformation"]
        for each in executions(space, "runbook")
        if each["spec"]["kind"] == "forward" and "rollbackInformation" in each["status"]
    }

    config = captured["calm-down"]
    assert config["before"] == {"data.level": '"i"', "data.mode": '"normal"'}
    assert config["after"] == {"data.level": "", "data.mode": '"degraded"'}
    assert captured["new-password"]["keptIn"]
    assert captured["shut-the-door"]["absentBefore"]


def test_row_106_no_value_of_a_secret_is_shown(
    space: Kubectl, done: Object, module_services: Services
) -> None:
    del done
    kept = [each for each in space.items("secrets") if each["type"] == "kubernaut.ai/undo"]
    shown = [space.items(kind) for kind in ("wfe", "kex", "events")]
    logs = [module_services.lines(name) for name in NAMES]
    everything = json.dumps([shown, logs])

    assert kept
    assert CANARY not in everything
    assert b64encode(CANARY.encode()).decode() not in everything


def test_what_was_seen_is_told(done: Object) -> None:
    output = steps_of(done)["look"]["result"]["customResult"]["output"]

    assert output.startswith("Deployment runbook/web: ")
    assert "2 Running" in output


def test_the_runbook_is_an_example_of_at_least_eight_actions() -> None:
    body = yaml.safe_load((ROOT / "examples" / "runbook.yaml").read_text())

    assert len({step["action"] for step in body["spec"]["workflowDefinition"]["steps"]}) >= 8


def _effects(execution: Object) -> list[Object]:
    found: list[Object] = execution["status"].get("effects", [])
    return found


def _targets(kubectl: Kubectl) -> dict[str, Object]:
    found = {target: kubectl.get(*target.split("/")) for target in TARGETS}
    for each in found.values():
        each.pop("status", None)
        for key in SET_BY_OTHERS:
            each["metadata"].pop(key, None)
    return found
