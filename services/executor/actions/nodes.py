"""Whether pods are scheduled to a node, and its taints; undone by what was before."""

from typing import Any, Final

from services.executor.actions.handling import Handler, Material, update_done
from services.executor.core.changes import Object, State, Wanted
from services.executor.core.paths import ABSENT, element, text, value
from shared.api.enums import Action
from shared.api.parameters import (
    ActionParameters,
    CordonNode,
    DrainNode,
    TaintNode,
    UncordonNode,
    UntaintNode,
)

_UNSCHEDULABLE: Final = "spec.unschedulable"
_CLOSED: Final = "true"
Marked = CordonNode | UncordonNode | DrainNode


def _intend_schedulable(parameters: Marked, live: Object, material: Material) -> Wanted:
    del live, material
    closed = not isinstance(parameters, UncordonNode)
    return Wanted(fields={_UNSCHEDULABLE: _CLOSED if closed else ABSENT})


def _undo_schedulable(parameters: Marked, state: State) -> tuple[Action, ActionParameters]:
    if state.before[_UNSCHEDULABLE] == ABSENT:
        return Action.UNCORDON_NODE, UncordonNode(node=parameters.node)
    return Action.CORDON_NODE, CordonNode(node=parameters.node)


def _path(parameters: TaintNode | UntaintNode) -> str:
    return element("spec.taints", f"{parameters.key}:{parameters.effect}")


def _intend_taint(parameters: TaintNode, live: Object, material: Material) -> Wanted:
    del live, material
    taint = {"key": parameters.key, "effect": parameters.effect}
    if parameters.value:
        taint["value"] = parameters.value
    return Wanted(fields={_path(parameters): text(taint)})


def _intend_no_taint(parameters: UntaintNode, live: Object, material: Material) -> Wanted:
    del live, material
    return Wanted(fields={_path(parameters): ABSENT})


def _undo_taint(
    parameters: TaintNode | UntaintNode, state: State
) -> tuple[Action, ActionParameters]:
    before = state.before[_path(parameters)]
    common: dict[str, Any] = {
        "node": parameters.node,
        "key": parameters.key,
        "effect": parameters.effect,
    }
    if before == ABSENT:
        return Action.UNTAINT_NODE, UntaintNode(**common)
    return Action.TAINT_NODE, TaintNode(**common, value=value(before).get("value", ""))


SCHEDULABLE: Final = Handler(
    intend=_intend_schedulable, judge=update_done("spec"), undo=_undo_schedulable
)
TAINT: Final = Handler(intend=_intend_taint, judge=update_done("spec"), undo=_undo_taint)
NO_TAINT: Final = Handler(intend=_intend_no_taint, judge=update_done("spec"), undo=_undo_taint)
