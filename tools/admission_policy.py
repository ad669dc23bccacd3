"""A ValidatingAdmissionPolicy with the binding that puts it in force everywhere."""

from collections.abc import Sequence
from typing import Any, Final

from shared.api.groups import Kind

Object = dict[str, Any]

_API: Final = "admissionregistration.k8s.io/v1"


def policy_and_binding(
    name: str, kind: Kind, operations: Sequence[str], judging: Object
) -> list[Object]:
    """Return a policy that refuses what it does not hold true of, and its binding.

    Args:
        name: of both.
        kind: what is judged.
        operations: when it is judged.
        judging: the part of the policy's spec that says how.
    """
    labels = {"app.kubernetes.io/name": "mendflow", "app.kubernetes.io/component": "admission"}
    metadata = {"name": name, "labels": labels}
    matched = {
        "apiGroups": [kind.group],
        "apiVersions": ["*"],
        "operations": list(operations),
        "resources": [kind.plural],
    }
    matching = {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": [matched]}}
    return [
        {
            "apiVersion": _API,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": metadata,
            "spec": matching | judging,
        },
        {
            "apiVersion": _API,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": metadata,
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        },
    ]
