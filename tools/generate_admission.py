"""Write deploy/admission/identities.yaml: who may have which action carried out, and as whom.

`--check` writes nothing and fails when the file is stale.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from shared.api.enums import Action
from shared.api.groups import POD, WORKFLOW_EXECUTION
from shared.effects.catalogue import ALIASES
from shared.effects.identities import account_of
from shared.effects.rights import RIGHTS
from tools import generated
from tools.admission_policy import Object, policy_and_binding
from tools.generated import Folded

_TARGET: Final = Path(__file__).parent.parent / "deploy" / "admission"
_HEADER: Final = """\
# Generated from the catalogue in shared/effects by `make generate`; do not edit.
# Whoever submits a workflow, or adds steps to it, must be allowed to `use` the account that each
# of its actions is carried out as. A question to the authorizer is dear: one expression may ask
# two, one policy some twenty, so each action has an expression and the policies share them.
# The last policy keeps pods from running as these accounts: who may write a template would be all.
"""
PER_POLICY: Final = 14
_BOTH: Final = "{name}.action + ' ' + {name}.?rollback.?action.orValue('')"
"""What a step does, and what undoes it."""
_VARIABLES: Final = {
    # An update may only append adjustments; all else is looked at again if it changes at all.
    "steps": (
        "request.operation == 'CREATE' || object.spec.workflowDefinition"
        " != oldObject.spec.workflowDefinition ? object.spec.workflowDefinition.steps : []"
    ),
    "before": (
        "request.operation == 'CREATE' ? []"
        " : oldObject.spec.?adaptiveOrchestration.?adjustments.orValue([])"
    ),
    "insertions": (
        "object.spec.?adaptiveOrchestration.?adjustments.orValue([])"
        ".filter(a, !(a in variables.before)).map(a, a.?insert.orValue([]))"
    ),
    # A name is read in any spelling, and the Kelvin sign is a k in lower case.
    "actions": (
        f"(variables.steps.map(s, {_BOTH.format(name='s')}).join(' ') + ' '"
        f" + variables.insertions.map(i, i.map(j, {_BOTH.format(name='j.step')}).join(' '))"
        ".join(' ')).replace('\\u212a', 'k').lowerAscii().replace('_', '').replace('-', '')"
        ".split(' ')"
    ),
}


def squashed(name: str) -> str:
    """Return what the variable `actions` makes of the name of an action."""
    return name.lower().replace("_", "").replace("-", "")


def policies() -> list[Object]:
    """Return the policies, each with its binding."""
    acting = list(RIGHTS)
    groups = [acting[at : at + PER_POLICY] for at in range(0, len(acting), PER_POLICY)]
    asking = [
        each
        for number, group in enumerate(groups, start=1)
        for each in policy_and_binding(
            f"mendflow-identities-{number}",
            WORKFLOW_EXECUTION,
            ["CREATE", "UPDATE"],
            _asking(group),
        )
    ]
    return [
        *asking,
        *policy_and_binding(
            "mendflow-accounts", POD, ["CREATE"], {"validations": [_no_pod(acting)]}
        ),
    ]


def rendered() -> dict[str, str]:
    """Return the text of the file by its name."""
    return {"identities.yaml": _HEADER + generated.manifest(policies())}


def _asking(actions: Sequence[Action]) -> Object:
    return {
        "variables": [
            {"name": name, "expression": Folded(text)} for name, text in _VARIABLES.items()
        ],
        "validations": [_validation(action) for action in actions],
    }


def _validation(action: Action) -> Object:
    spellings = [action, *(alias for alias, meant in ALIASES.items() if meant is action)]
    names = dict.fromkeys(map(squashed, spellings))
    asked = " || ".join(f"'{name}' in variables.actions" for name in names)
    account = account_of(action)
    return {
        "expression": Folded(
            f"!({asked}) || authorizer.group('').resource('serviceaccounts')"
            f".namespace(request.namespace).name('{account}').check('use').allowed()"
        ),
        "reason": "Forbidden",
        "messageExpression": Folded(
            '"\'" + request.userInfo.username + "\' may not have '
            f'{action} carried out in namespace " + request.namespace + ": it is done as the'
            f" ServiceAccount {account}, which they need the verb use on; leave the action out, or"
            ' ask for the role mendflow-submitter"'
        ),
    }


def _no_pod(actions: Sequence[Action]) -> Object:
    accounts = ", ".join(f"'{account_of(action)}'" for action in actions)
    return {
        "expression": Folded(f"!(object.spec.?serviceAccountName.orValue('') in [{accounts}])"),
        "reason": "Forbidden",
        "messageExpression": Folded(
            '"no pod runs as " + object.spec.serviceAccountName + ": an action is carried out as'
            ' that ServiceAccount; name another one in serviceAccountName"'
        ),
    }


if __name__ == "__main__":
    sys.exit(generated.main(__doc__ or "", _TARGET, rendered()))
