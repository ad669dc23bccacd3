"""Who may do what, by the manifests; and who did what, by the audit log."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml

from tests.support.servers import RBAC, ROOT
from tests.support.services import NAMES

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

SYSTEM: Final = "kubernaut-system"
ACCOUNTS: Final = f"system:serviceaccounts:{SYSTEM}"
_POLICY: Final = ROOT / "deploy" / "local" / "audit-policy.yaml"
_USER: Final = f"system:serviceaccount:{SYSTEM}:mendflow-"


class Right(NamedTuple):
    """One verb on one resource of one API group."""

    verb: str
    group: str
    resource: str


class Request(NamedTuple):
    """One request that a service made, and the answer."""

    service: str
    on_behalf_of: str
    """The user that it acted as; empty for itself."""
    right: Right
    code: int
    uri: str


def granted(service: str) -> set[Right]:
    """Return what the manifest of a service grants."""
    return {
        Right(verb, group, resource)
        for document in documents(RBAC / f"{service}.yaml")
        if document["kind"] in {"Role", "ClusterRole"}
        for rule in document["rules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def documents(manifest: Path) -> list[dict[str, Any]]:
    """Return the objects in a manifest."""
    return [each for each in yaml.safe_load_all(manifest.read_text()) if each]


def kubeconfigs(cluster: "LocalCluster") -> dict[str, Path]:
    """Return a kubeconfig for each service, which acts as its ServiceAccount."""
    return {
        name: cluster.kubeconfig_for(f"{_USER}{name}", groups=("system:serviceaccounts", ACCOUNTS))
        for name in NAMES
    }


def watchful_policy(directory: Path) -> Path:
    """Return an audit policy that leaves out nothing that a service does."""
    policy = yaml.safe_load(_POLICY.read_text())
    ours = [
        {"level": "Metadata", "userGroups": [ACCOUNTS], "verbs": ["get", "list", "watch"]},
        {
            "level": "Metadata",
            "userGroups": [ACCOUNTS],
            "resources": [
                {"group": "", "resources": ["events"]},
                {"group": "coordination.k8s.io"},
            ],
        },
    ]
    policy["rules"] = ours + policy["rules"]
    path = directory / "audit-policy.yaml"
    path.write_text(yaml.safe_dump(policy))
    return path


def requests(audit_log: Path) -> Iterator[Request]:
    """Return everything that services asked for."""
    with audit_log.open() as lines:
        for line in lines:
            entry = json.loads(line)
            user: str = entry["user"]["username"]
            if not user.startswith(_USER) or "objectRef" not in entry:
                continue
            asked = entry["objectRef"]
            resource = "/".join(
                asked[part] for part in ("resource", "subresource") if part in asked
            )
            yield Request(
                service=user.removeprefix(_USER),
                on_behalf_of=entry.get("impersonatedUser", {}).get("username", ""),
                right=Right(entry["verb"], asked.get("apiGroup", ""), resource),
                code=entry.get("responseStatus", {}).get("code", 0),
                uri=entry["requestURI"],
            )
