"""Deployments as the API server shows them."""

from typing import Any

Object = dict[str, Any]


def live_deployment(
    *,
    replicas: int = 2,
    image: str = "web:1",
    updated: int | None = None,
    total: int | None = None,
    available: int | None = None,
    observed: int = 3,
    annotations: dict[str, str] | None = None,
) -> Object:
    """Return a Deployment of generation 3 that has rolled out, unless something says otherwise."""
    return {
        "metadata": {
            "name": "web",
            "namespace": "default",
            "uid": "uid-of-web",
            "resourceVersion": "7",
            "generation": 3,
            "annotations": annotations or {},
        },
        "spec": {
            "replicas": replicas,
            "template": {
                "metadata": {},
                "spec": {
                    "containers": [
                        {"name": "app", "image": image, "ports": [{"containerPort": 80}]},
                        {"name": "side", "image": "side:1"},
                    ]
                },
            },
        },
        "status": {
            "observedGeneration": observed,
            "replicas": replicas if total is None else total,
            "updatedReplicas": replicas if updated is None else updated,
            "availableReplicas": replicas if available is None else available,
        },
    }
