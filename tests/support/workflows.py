"""Workflows and their targets as a person would write them."""

from typing import Any

Object = dict[str, Any]


def workflow(name: str, steps: list[Object], *, rollback: str = "None") -> Object:
    """Return a WorkflowExecution."""
    return {
        "apiVersion": "workflowexecution.kubernaut.ai/v1alpha1",
        "kind": "WorkflowExecution",
        "metadata": {"name": name},
        "spec": {
            "rollbackStrategy": {"type": rollback},
            "workflowDefinition": {"steps": steps},
        },
    }


def scale(name: str, target: str, replicas: int, *needs: str) -> Object:
    """Return a step that scales a Deployment."""
    parameters = {"scaleDeployment": {"deployment": target, "replicas": replicas}}
    return _step(name, "scale_deployment", parameters, needs)


def image(name: str, target: str, new: str, *needs: str, container: str = "app") -> Object:
    """Return a step that changes an image."""
    parameters = {"updateImage": {"deployment": target, "container": container, "newImage": new}}
    return _step(name, "update_image", parameters, needs)


def restart(name: str, target: str, *needs: str) -> Object:
    """Return a step that restarts a Deployment."""
    return _step(name, "restart_deployment", {"restartDeployment": {"deployment": target}}, needs)


def notify(name: str, *needs: str) -> Object:
    """Return a step that changes nothing."""
    return _step(name, "notify_only", {"notifyOnly": {"message": f"hello from {name}"}}, needs)


def wait_available(name: str, target: str, *needs: str) -> Object:
    """Return a step that ends when a Deployment, which may not exist yet, is available."""
    parameters = {
        "waitForCondition": {
            "targetResource": {"kind": "Deployment", "name": target},
            "condition": "Available",
        }
    }
    return _step(name, "wait_for_condition", parameters, needs)


def diamond() -> list[Object]:
    """Return A, then B and C, then D, on two Deployments."""
    return [
        scale("a", "web", 4),
        image("b", "web", "registry.example/web:2", "a"),
        scale("c", "api", 3, "a"),
        restart("d", "api", "b", "c"),
    ]


def failing() -> list[Object]:
    """Return three steps in a row of which the third fails."""
    return [
        scale("a", "web", 5),
        image("b", "web", "registry.example/web:3", "a"),
        image("c", "web", "registry.example/web:4", "b", container="missing"),
        scale("d", "api", 9, "c"),
    ]


def deployment(name: str, *, replicas: int = 2) -> Object:
    """Return a Deployment to work on."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "app", "image": "registry.example/web:1"}]},
            },
        },
    }


def pod(name: str, *, account: str = "default") -> Object:
    """Return a pod that nothing brings back."""
    containers = [{"name": "app", "image": "registry.example/web:1"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"serviceAccountName": account, "containers": containers},
    }


def _step(name: str, action: str, parameters: Object, needs: tuple[str, ...]) -> Object:
    step: Object = {"name": name, "action": action, "parameters": parameters}
    return step | ({"dependsOn": list(needs)} if needs else {})
