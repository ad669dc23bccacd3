"""Write the CustomResourceDefinitions under deploy/crds from the Structs in shared/api.

`--check` writes nothing and fails when a file is stale.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from shared.api import approval, execution, notification, pool, workflow
from shared.api.groups import (
    AI_APPROVAL_REQUEST,
    CONCURRENCY_POOL,
    KUBERNETES_EXECUTION,
    NOTIFICATION_REQUEST,
    WORKFLOW_EXECUTION,
    Kind,
)
from tools import crd_approvals, crd_rules, generated
from tools.crd_schema import Schema, schema_of

_TARGET: Final = Path(__file__).parent.parent / "deploy" / "crds"
_HEADER: Final = "# Generated from shared/api by `make generate`; do not edit.\n"


def definition(
    kind: Kind,
    struct: type[msgspec.Struct],
    *,
    short: str,
    columns: list[dict[str, Any]],
    rules: Callable[[Schema], None],
) -> dict[str, Any]:
    """Return one CustomResourceDefinition."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    schema: Schema = {
        "type": "object",
        "description": (struct.__doc__ or "").strip(),
        "required": ["spec"],
        "properties": {
            "spec": schema_of(fields["spec"].type, defaults=True),
            "status": schema_of(fields["status"].type, defaults=False),
        },
    }
    rules(schema)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.crd_name},
        "spec": {
            "group": kind.group,
            "scope": "Namespaced",
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.kind.lower(),
                "shortNames": [short],
                "categories": ["mendflow", "all"],
            },
            "versions": [
                {
                    "name": kind.version,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": columns,
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def rendered() -> dict[str, str]:
    """Return the text of every file by its name."""
    definitions = [
        definition(
            WORKFLOW_EXECUTION,
            workflow.WorkflowExecution,
            short=workflow.SHORT_NAME,
            columns=crd_rules.WORKFLOW_COLUMNS,
            rules=crd_rules.workflow_rules,
        ),
        definition(
            KUBERNETES_EXECUTION,
            execution.KubernetesExecution,
            short=execution.SHORT_NAME,
            columns=crd_rules.EXECUTION_COLUMNS,
            rules=crd_rules.execution_rules,
        ),
        definition(
            AI_APPROVAL_REQUEST,
            approval.AIApprovalRequest,
            short=approval.SHORT_NAME,
            columns=crd_approvals.APPROVAL_COLUMNS,
            rules=crd_approvals.approval_rules,
        ),
        definition(
            NOTIFICATION_REQUEST,
            notification.NotificationRequest,
            short=notification.SHORT_NAME,
            columns=crd_approvals.NOTIFICATION_COLUMNS,
            rules=crd_approvals.notification_rules,
        ),
        definition(
            CONCURRENCY_POOL,
            pool.ConcurrencyPool,
            short=pool.SHORT_NAME,
            columns=crd_rules.POOL_COLUMNS,
            rules=crd_rules.pool_rules,
        ),
    ]
    return {
        f"{crd['spec']['names']['plural']}.yaml": _HEADER + generated.manifest([crd])
        for crd in definitions
    }


if __name__ == "__main__":
    sys.exit(generated.main(__doc__ or "", _TARGET, rendered()))
