"""The workload: workflows of three steps in a row that change an image.

Their Deployments have no replicas, so that neither scheduler nor kubelet is measured.
"""

from typing import Final

from tests.support.workflows import Object, deployment, image, workflow

STEPS: Final = 3
BURST_STEPS: Final = 5
BURST_LIMIT: Final = 2
"""Steps in flight that a workflow of the burst allows itself."""
HOSTILE_STEPS: Final = 5
_THERE: Final = (
    "import rego.v1\n\ndefault allow := false\n\nallow if input.deployment_found == true\n"
)
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


def burst_targets(name: str) -> list[Object]:
    """Return the Deployments of one workflow of the burst, one for each step."""
    return [deployment(f"{name}-{number}", replicas=0) for number in range(BURST_STEPS)]


def burst_workload(name: str) -> Object:
    """Return a workflow of independent steps that may run two at a time."""
    steps = [image(f"s{n}", f"{name}-{n}", IMAGES[0]) for n in range(BURST_STEPS)]
    made = workflow(name, steps)
    made["spec"]["executionStrategy"] = {"maxParallelSteps": BURST_LIMIT}
    return made


def guarded_workload(name: str) -> Object:
    """Return a workflow of one step that policies look at before it and after it."""
    condition = {"type": "there", "description": "it is there"}
    step = image("s0", name, IMAGES[0])
    before = {"preConditions": [condition | {"rego": f"package precondition.there\n{_THERE}"}]}
    after = {"postConditions": [condition | {"rego": f"package postcondition.there\n{_THERE}"}]}
    return workflow(name, [step | before | after])


def hostile_workload(name: str) -> Object:
    """Return a workflow of steps that each wait for a policy of their own, which never ends."""
    steps = [
        image(f"s{number}", name, IMAGES[0])
        | {
            "preConditions": [
                {
                    "type": f"endless-{number}",
                    "description": "it would never end",
                    "timeout": "10m",
                    "rego": _endless(number),
                }
            ]
        }
        for number in range(HOSTILE_STEPS)
    ]
    return workflow(name, steps)


def _endless(number: int) -> str:
    members = ", ".join(map(str, range(200)))
    some = "; ".join(f"some v{depth} in all" for depth in range(6))
    return (
        f"package precondition.endless{number}\nimport rego.v1\n\nall := [{members}]\n\n"
        f"default allow := false\n\nallow if count([1 | {some}]) == {number}\n"
    )
