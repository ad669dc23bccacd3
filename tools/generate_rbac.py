"""Write deploy/rbac/actions.yaml, a ClusterRole per action, from shared/effects/rights.py.

`--check` writes nothing and fails when the file is stale.
"""

import sys
from pathlib import Path
from typing import Any, Final

from shared.api.enums import Action
from shared.effects.identities import role_of
from shared.effects.rights import RIGHTS, Rights
from tools import generated

_TARGET: Final = Path(__file__).parent.parent / "deploy" / "rbac"
_HEADER: Final = """\
# Generated from shared/effects/rights.py by `make generate`; do not edit.
# What each action may do. Nobody has these rights until `mendflow namespace` binds them.
"""


def cluster_role(action: Action, rights: Rights) -> dict[str, Any]:
    """Return the role of one action."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {
            "name": role_of(action),
            "labels": {
                "app.kubernetes.io/name": "mendflow",
                "app.kubernetes.io/component": "action",
            },
        },
        "rules": [
            {
                "apiGroups": [rule.group],
                "resources": list(rule.resources),
                "verbs": list(rule.verbs),
            }
            for rule in rights.rules
        ],
    }


def rendered() -> dict[str, str]:
    """Return the text of the file by its name."""
    roles = [cluster_role(action, rights) for action, rights in RIGHTS.items()]
    return {"actions.yaml": _HEADER + generated.manifest(roles)}


if __name__ == "__main__":
    sys.exit(generated.main(__doc__ or "", _TARGET, rendered()))
