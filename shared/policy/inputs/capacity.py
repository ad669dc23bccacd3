"""How much CPU and memory pods ask for, and how much of it is free on nodes."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, Final

import msgspec

from shared.effects.quantities import parsed
from shared.policy.inputs.nodes import takes

Object = Mapping[str, Any]

_ENDED: Final = frozenset({"Succeeded", "Failed"})


class Amount(msgspec.Struct, frozen=True):
    """Some CPU and some memory, exactly."""

    cpu: Fraction = Fraction(0)
    """In cores."""
    memory: Fraction = Fraction(0)
    """In bytes."""

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.cpu + other.cpu, self.memory + other.memory)

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(self.cpu - other.cpu, self.memory - other.memory)

    def at_least(self, other: "Amount") -> "Amount":
        """Return the larger of both, each resource by itself."""
        return Amount(max(self.cpu, other.cpu), max(self.memory, other.memory))


NOTHING: Final = Amount()


class Free(msgspec.Struct, frozen=True, kw_only=True):
    """What is free on the nodes that a pod may go to."""

    total: Amount
    largest_gap: Amount
    """The most that a single node has left, each resource by itself."""


def amount(resources: Mapping[str, str | int] | None) -> Amount:
    """Return what a resource list says. Raises PermanentError for what is no quantity."""
    given = resources or {}
    return Amount(parsed(given.get("cpu", 0)), parsed(given.get("memory", 0)))


def requested(pod_spec: Object) -> Amount:
    """Return what the scheduler sets aside for a pod of this spec.

    Containers run together, and sidecars (init containers that always restart) beside them;
    other init containers run alone, each beside the sidecars before it.
    """
    sidecars = peak = NOTHING
    for container in pod_spec.get("initContainers") or []:
        asked = _asked(container)
        if container.get("restartPolicy") == "Always":
            sidecars += asked
            peak = peak.at_least(sidecars)
        else:
            peak = peak.at_least(sidecars + asked)
    running = sum((_asked(each) for each in pod_spec.get("containers") or []), sidecars)
    whole = (pod_spec.get("resources") or {}).get("requests") or {}
    found = running.at_least(peak)
    explicit = amount(whole)
    return Amount(
        explicit.cpu if "cpu" in whole else found.cpu,
        explicit.memory if "memory" in whole else found.memory,
    ) + amount(pod_spec.get("overhead"))


def reserved(pods: Iterable[Object]) -> dict[str, Amount]:
    """Return what pods hold on each node, by name of the node; ended ones hold nothing."""
    held: dict[str, Amount] = {}
    for pod in pods:
        node = pod["spec"].get("nodeName")
        if node and (pod.get("status") or {}).get("phase") not in _ENDED:
            held[node] = held.get(node, NOTHING) + requested(pod["spec"])
    return held


def free(nodes: Iterable[Object], held: Mapping[str, Amount], pod_spec: Object) -> Free:
    """Return what is free for pods of a spec; an overcommitted node takes nothing from others."""
    total = largest = NOTHING
    for node in nodes:
        if takes(node, pod_spec):
            allocatable = amount((node.get("status") or {}).get("allocatable"))
            gap = (allocatable - held.get(node["metadata"]["name"], NOTHING)).at_least(NOTHING)
            total += gap
            largest = largest.at_least(gap)
    return Free(total=total, largest_gap=largest)


def _asked(container: Object) -> Amount:
    return amount((container.get("resources") or {}).get("requests"))
