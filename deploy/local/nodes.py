"""The fake nodes: what they look like before kwok keeps them alive."""

from typing import Any, Final

from deploy.local.ports import LOOPBACK
from deploy.local.versions import KUBERNETES

RESOURCES: Final = {"cpu": "32", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "500"}
# Node n gets the pod addresses 10.(64+n).0.0/16 and one host address, both inside 10.0.0.0/8.
MAX_NODES: Final = 100


def node_name(index: int) -> str:
    """Return the name of the node with this number."""
    return f"node-{index}"


def render_node(index: int) -> dict[str, Any]:
    """Return a node that is sized like a server and not yet ready."""
    name = node_name(index)
    labels = {
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "topology.kubernetes.io/zone": f"zone-{index % 3}",
        "type": "kwok",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        # Without a range of its own, kwok gives all nodes the same 253 pod addresses.
        "spec": {"podCIDRs": [pod_range := f"10.{64 + index}.0.0/16"], "podCIDR": pod_range},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": f"10.0.0.{10 + index}"},
                {"type": "Hostname", "address": name},
                # Where the API server finds the kubelet, which is kwok.
                {"type": "ExternalIP", "address": LOOPBACK},
            ],
            "allocatable": RESOURCES,
            "capacity": RESOURCES,
            "nodeInfo": _node_info(),
        },
    }


def is_usable(node: dict[str, Any]) -> bool:
    """Say whether pods can be scheduled there: ready, and the taint of the start is gone."""
    conditions = node.get("status", {}).get("conditions", [])
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready and not node["spec"].get("taints")


def _node_info() -> dict[str, str]:
    return {
        "architecture": "amd64",
        "bootID": "",
        "containerRuntimeVersion": "fake://1.0.0",
        "kernelVersion": "fake",
        "kubeProxyVersion": "",
        "kubeletVersion": KUBERNETES.version,
        "machineID": "",
        "operatingSystem": "linux",
        "osImage": "fake",
        "systemUUID": "",
    }
