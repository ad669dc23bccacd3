"""Which GitOps tool owns an object, by what it writes on it.

The same marks as in deploy/policies/safety/safety_gitops.rego; asked here of Secrets, which
no service that judges may read.
"""

from typing import Final

from services.executor.core.changes import Object, RefusedError
from shared.api.enums import ErrorType

_MARKS: Final = {
    "argocd.argoproj.io/instance": "Argo CD",
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "helm.toolkit.fluxcd.io/name": "Flux",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "meta.helm.sh/release-name": "Helm",
}
_MANAGED_BY: Final = "app.kubernetes.io/managed-by"


def owner_of(live: Object) -> str:
    """Return the tool that owns an object; empty when none does."""
    meta = live["metadata"]
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    if labels.get(_MANAGED_BY) == "Helm":
        return "Helm"
    return next((_MARKS[key] for key in (*labels, *annotations) if key in _MARKS), "")


def refuse_owned(live: Object) -> None:
    """Stop before an object that a GitOps tool owns. Raises RefusedError."""
    owner = owner_of(live)
    if owner:
        name = f"{live.get('kind', '')} {live['metadata']['name']}"
        message = f"{owner} owns {name}: escalate, and change it in Git"
        raise RefusedError(ErrorType.POLICY_DENIED, message, reason="PolicyViolation")
