"""Whether a step says what to do, and gives the parameters that belong to it.

Owns the rules between an action and its parameters. Their types and ranges are checked
when the object is decoded and are not repeated here.
"""

from typing import Final

import msgspec

from services.planner.core.defects import Defect, Reason, step_path
from shared.api.enums import Action
from shared.api.parameters import Parameters
from shared.api.workflow_spec import Step
from shared.effects.catalogue import canonical, meant_by, parameters_of
from shared.effects.problems import problems_of
from shared.effects.targets import named_namespace

_NAMESPACE_IN: Final = {
    Action.WAIT_FOR_CONDITION: "targetResource.namespace",
    Action.COLLECT_DIAGNOSTICS: "targetResource.namespace",
    Action.APPLY_MANIFEST: "manifest",
}
_LISTED: Final = "docs/actions.md lists the actions there are"
_SPELLING: Final = {field.name: field.encode_name for field in msgspec.structs.fields(Parameters)}


def action_defects(step: Step, *, namespace: str) -> list[Defect]:
    """Return what is wrong with the action of a step and its parameters.

    Args:
        step: The step to look at.
        namespace: The workflow's own, the only one it may act in.
    """
    if not step.action.strip():
        message = f"say what the step does; {_LISTED}"
        return [_defect(step, "action", message, reason=Reason.MISSING_ACTION)]
    action = canonical(step.action)
    if action is None:
        near = " or ".join(meant_by(step.action))
        advice = f"use {near}" if near else _LISTED
        message = f"{step.action!r} is no action of this version; {advice}"
        return [_defect(step, "action", message, reason=Reason.UNKNOWN_ACTION)]
    return [
        *_key_defects(step, action),
        *_namespace_defects(step, action, namespace=namespace),
        *_parameter_defects(step, action),
    ]


def undo_defects(step: Step, *, namespace: str) -> list[Defect]:
    """Return what is wrong with the explicit undo of a step; it is judged like a step."""
    if step.rollback is None:
        return []
    undo = msgspec.structs.replace(
        step, action=step.rollback.action, parameters=step.rollback.parameters
    )
    own = step_path(step.name, field="")
    return [
        msgspec.structs.replace(defect, path=f"{own}.rollback{defect.path.removeprefix(own)}")
        for defect in action_defects(undo, namespace=namespace)
    ]


def _key_defects(step: Step, action: Action) -> list[Defect]:
    wanted = str(action)
    given = [key for key in _SPELLING if getattr(step.parameters, key) is not None]
    found = [
        _defect(
            step,
            f"parameters.{_SPELLING[key]}",
            f"it belongs to another action than {action}; remove it",
        )
        for key in given
        if key != wanted
    ]
    if wanted not in given:
        message = f"{action} needs parameters.{_SPELLING[wanted]}; set it"
        found.insert(0, _defect(step, "parameters", message))
    return found


def _namespace_defects(step: Step, action: Action, *, namespace: str) -> list[Defect]:
    parameters = parameters_of(action, step.parameters)
    given = named_namespace(parameters) if parameters is not None else ""
    if given in {"", namespace} or "${" in given:
        return []
    message = (
        f"a workflow may only act in its own namespace {namespace!r}, not in {given!r}; "
        "leave it empty or create the workflow there"
    )
    field = _NAMESPACE_IN.get(action, "namespace")
    return [_defect(step, f"parameters.{_SPELLING[str(action)]}.{field}", message)]


def _parameter_defects(step: Step, action: Action) -> list[Defect]:
    parameters = parameters_of(action, step.parameters)
    if parameters is None:
        return []
    key = f"parameters.{_SPELLING[str(action)]}"
    return [
        _defect(step, f"{key}.{field}" if field else key, message)
        for field, message in problems_of(parameters)
    ]


def _defect(
    step: Step, field: str, message: str, *, reason: Reason = Reason.INVALID_PARAMETERS
) -> Defect:
    return Defect(path=step_path(step.name, field=field), reason=reason, message=message)
