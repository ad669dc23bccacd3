"""The kind RemediationRequest, which others bring along, as small as a test needs it."""

from typing import Any

from deploy.local.kinds import wait_until_served
from tests.support.kubectl import Kubectl, Object

_GROUP = "remediation.kubernaut.io"
_CRD = f"remediationrequests.{_GROUP}"


def install_kind(kubectl: Kubectl) -> None:
    """Make the kind known to the API server, which may know it already."""
    open_object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"spec": open_object}}
    version = {
        "name": "v1alpha1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    kubectl.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": _CRD},
            "spec": {
                "group": _GROUP,
                "scope": "Namespaced",
                "names": {
                    "plural": "remediationrequests",
                    "singular": "remediationrequest",
                    "kind": "RemediationRequest",
                },
                "versions": [version],
            },
        }
    )
    wait_until_served(kubectl.ok, [_CRD])


def remediation_request(name: str, **spec: Any) -> Object:
    """Return a RemediationRequest."""
    return {
        "apiVersion": f"{_GROUP}/v1alpha1",
        "kind": "RemediationRequest",
        "metadata": {"name": name},
        "spec": spec,
    }
