"""How an object and its pods are, in a few lines: the worst first, nothing that repeats."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from services.executor.core.changes import Address, Object

_LONGEST: Final = 1024
_EVENTS: Final = 5
_LONGEST_MESSAGE: Final = 160


def summary(
    address: Address, live: Object, pods: Sequence[Object], events: Sequence[Object]
) -> str:
    """Return what is worth knowing of an object, its pods and the warnings about them."""
    lines = [f"{address}: {_conditions(live)}", *_pods(pods), *_warnings(events)]
    text = "\n".join(lines)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]}\n..."


def is_about(event: Object, uids: frozenset[str]) -> bool:
    """Return whether an event warns of one of some objects."""
    involved = event.get("involvedObject") or {}
    return event.get("type") == "Warning" and involved.get("uid") in uids


def _conditions(live: Object) -> str:
    status = live.get("status", {})
    known = [f"{each['type']}={each['status']}" for each in status.get("conditions", [])]
    counts = [
        f"{name}={status[name]}"
        for name in ("replicas", "readyReplicas", "unavailableReplicas", "phase")
        if name in status
    ]
    return ", ".join([*counts, *known]) or "no status yet"


def _pods(pods: Sequence[Object]) -> Iterator[str]:
    phases = Counter(pod.get("status", {}).get("phase", "Unknown") for pod in pods)
    if pods:
        yield "pods: " + ", ".join(f"{count} {phase}" for phase, count in sorted(phases.items()))
    troubled = sorted(pods, key=_restarts, reverse=True)
    for pod in troubled:
        trouble = _trouble(pod)
        if trouble:
            yield f"pod {pod['metadata']['name']}: {trouble}"


def _restarts(pod: Object) -> int:
    return sum(each.get("restartCount", 0) for each in _containers(pod))


def _containers(pod: Object) -> list[Object]:
    status = pod.get("status", {})
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _trouble(pod: Object) -> str:
    said = []
    for each in _containers(pod):
        waiting = each.get("state", {}).get("waiting", {}).get("reason")
        ended = each.get("lastState", {}).get("terminated", {})
        if waiting:
            said.append(f"{each['name']} {waiting}")
        if ended:
            code = ended.get("exitCode", "?")
            said.append(f"{each['name']} last ended {ended.get('reason', '')} with {code}")
    restarts = _restarts(pod)
    return ", ".join([*said, *([f"{restarts} restarts"] if restarts else [])])


def _warnings(events: Sequence[Object]) -> Iterator[str]:
    latest = sorted(events, key=_time, reverse=True)
    for event in latest[:_EVENTS]:
        about = event["involvedObject"]
        name = f"{about.get('kind', '')} {about.get('name', '')}"
        said = " ".join(str(event.get("message") or "").split())
        yield f"warning: {name}: {event.get('reason', '')}: {said[:_LONGEST_MESSAGE]}"


def _time(event: Object) -> str:
    """Return when an event was seen last; those of the newer kind say it elsewhere."""
    observed = (event.get("series") or {}).get("lastObservedTime")
    return str(event.get("lastTimestamp") or observed or event.get("eventTime") or "")
