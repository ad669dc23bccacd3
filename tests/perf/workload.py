"""The workload: workflows of three steps in a row that change an image.

Their Deployments have no replicas, so that neither scheduler nor kubelet is measured.
"""

from typing import Final

from tests.support.workflows import Object, deployment, image, workflow

STEPS: Final = 3
IMAGES: Final = [f"registry.example/web:{number}" for number in range(2, 2 + STEPS)]


def target(name: str) -> Object:
    """Return the Deployment that a workflow of that name works on."""
    return deployment(name, replicas=0)


def workload(name: str) -> Object:
    """Return a workflow; each step needs the one before."""
    steps = [
        image(f"s{number}", name, new, *([f"s{number - 1}"] if number else []))
        for number, new in enumerate(IMAGES)
    ]
    return workflow(name, steps)
