"""Free patches of a Deployment, and going back to an earlier revision of it."""

from typing import Any, Final

from services.executor.actions.handling import (
    Handler,
    Material,
    rollout_done,
    undone_as,
    update_done,
)
from services.executor.core.changes import Asked, Object, RefusedError
from shared.api.enums import Action, ErrorType
from shared.api.parameters import PatchDeployment, RollbackDeployment
from shared.effects.forms import Form
from shared.effects.manifests import parsed

_REVISION: Final = "deployment.kubernetes.io/revision"
_HASH: Final = "pod-template-hash"
_FORMS: Final = {"strategic": Form.STRATEGIC, "merge": Form.MERGE, "json": Form.JSON}


def _intend_patch(parameters: PatchDeployment, live: Object, material: Material) -> Asked:
    del live, material
    return Asked(form=_FORMS[parameters.patch_type], body=parsed(parameters.patch))


def _intend_revision(parameters: RollbackDeployment, live: Object, material: Material) -> Asked:
    template = dict(_revision(parameters, live, material)["spec"]["template"])
    meta = dict(template.get("metadata") or {})
    meta["labels"] = {key: v for key, v in (meta.get("labels") or {}).items() if key != _HASH}
    template["metadata"] = meta
    # Replaced as a whole: what the later revision added has to go.
    body: Any = [{"op": "replace", "path": "/spec/template", "value": template}]
    return Asked(form=Form.JSON, body=body)


def _revision(parameters: RollbackDeployment, live: Object, material: Material) -> Object:
    current = _number(live)
    known = {_number(each): each for each in material.replica_sets if _number(each)}
    wanted = parameters.revision or max((n for n in known if n != current), default=0)
    if wanted in known:
        return known[wanted]
    name = live["metadata"]["name"]
    kept = ", ".join(map(str, sorted(known))) or "none"
    what = f"revision {wanted}" if wanted else "revision before this one"
    message = f"Deployment {name} has no {what}; it keeps {kept}"
    raise RefusedError(ErrorType.RESOURCE_NOT_FOUND, message, reason="RevisionNotFound")


def _number(owner: Object) -> int:
    found = (owner["metadata"].get("annotations") or {}).get(_REVISION, "")
    return int(found) if found.isdigit() else 0


PATCH: Final = Handler(
    intend=_intend_patch,
    judge=update_done("spec"),
    undo=undone_as(Action.PATCH_DEPLOYMENT, patch_type="merge", patch="{}"),
)
REVISION: Final = Handler(
    intend=_intend_revision, judge=rollout_done("spec"), undo=undone_as(Action.ROLLBACK_DEPLOYMENT)
)
