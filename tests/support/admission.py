"""What deploy/admission judges: requests for approval, and when its policies are in force."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from shared.api.enums import Action
from shared.effects.identities import account_of
from shared.effects.rights import RIGHTS
from tests.support.kubectl import Kubectl, Object
from tests.support.workflows import notify, pod, workflow
from tools.generate_admission import PER_POLICY

SYSTEM: Final = "kubernaut-system"
SUBMITTED_BY: Final = "kubernaut.ai/submitted-by"
OVERRIDE: Final = "kubernaut.io/override-condition"
OVERRIDDEN_BY: Final = "kubernaut.ai/overridden-by"
_SCALES: Final = account_of(Action.SCALE_DEPLOYMENT)
PLAN: Final = "3b1f"


def approval(name: str, *, submitted_by: str = "", plan: str = PLAN) -> Object:
    """Return an AIApprovalRequest as the planner makes it."""
    return {
        "apiVersion": "approval.kubernaut.ai/v1alpha1",
        "kind": "AIApprovalRequest",
        "metadata": {"name": name},
        "spec": {
            "workflowExecutionRef": {"name": "fix", "namespace": "shop", "uid": "w1"},
            "planHash": plan,
            "reason": "15 steps, threshold 10",
            "totalSteps": 15,
            "threshold": 10,
            "requestedAt": "2026-01-02T03:04:05Z",
            "submittedBy": submitted_by,
            "changes": ["scale web to 4"],
        },
    }


def answer(decision: str, by: str, **more: str) -> tuple[str, ...]:
    """Return the words of `kubectl patch`, without kind and name, that answer a request."""
    status = {"decision": decision, "decidedBy": by, **more}
    return ("--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))


def wait_until_effective(kubeconfig: Path) -> None:
    """Wait until the policies are in force: each takes a moment from its creation."""
    from deploy.local.kubectl import ensure_kubectl

    kubectl = Kubectl(kubeconfig, namespace=SYSTEM, program=str(ensure_kubectl()))
    plain, overriding = _probe({}), _probe({OVERRIDE: "a"})
    _until(lambda: SUBMITTED_BY in _dry_run(kubectl, plain))
    _until(lambda: OVERRIDDEN_BY in _dry_run(kubectl, overriding))
    _until(lambda: "denied request" in _dry_run(kubectl, _probe({SUBMITTED_BY: "nobody"})))
    _until(lambda: "denied request" in _dry_run(kubectl, _probe({OVERRIDDEN_BY: "nobody"})))
    kubectl.apply(approval("probe"))
    wrong = answer("Approved", "nobody")
    _until(
        lambda: (
            "denied request"
            in kubectl.run("patch", "aiar", "probe", "--dry-run=server", *wrong).stderr
        )
    )
    kubectl.ok("delete", "aiar", "probe")
    _wait_for_identities(kubectl)


def _wait_for_identities(kubectl: Kubectl) -> None:
    """Wait until whoever may create workflows, and use no account, is refused by each policy."""
    resource = "--resource=workflowexecutions.workflowexecution.kubernaut.ai"
    kubectl.ok("create", "role", "probe", "--verb=create", resource)
    kubectl.ok("create", "rolebinding", "probe", "--role=probe", "--user=probe")

    def is_refused(action: str) -> bool:
        body = workflow("probe", [{"name": "a", "action": action}])
        return "may not have" in _dry_run(kubectl, body, "--as=probe")

    _until(lambda: all(is_refused(action) for action in list(RIGHTS)[::PER_POLICY]))
    kubectl.ok("create", "serviceaccount", _SCALES)
    _until(lambda: "no pod runs as" in _dry_run(kubectl, pod("probe", account=_SCALES)))
    kubectl.ok("delete", "serviceaccount", _SCALES)
    kubectl.ok("delete", "role/probe", "rolebinding/probe")


def _probe(annotations: dict[str, str]) -> Object:
    body = workflow("probe", [notify("a")])
    body["metadata"]["annotations"] = annotations
    return body


def _dry_run(kubectl: Kubectl, body: Object, *more: str) -> str:
    words = ("create", "--dry-run=server", "-o", "json", "-f", "-", *more)
    done = kubectl.run(*words, stdin=json.dumps(body))
    return done.stdout + done.stderr


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "a policy does not come into force"
        time.sleep(0.1)
