"""How a Job stands: whose it is, how it ended, and whose log tells why.

Pure. A Job counts as ended only by its conditions Complete and Failed, which its controller
writes once no pod of it runs any more.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from services.executor.core.changes import Broken, Done, NotYet, Object, Verdict
from shared.api.enums import Action, ErrorType
from shared.api.execution import KubernetesExecution
from shared.api.groups import JOB
from shared.api.meta import WORKFLOW_UID_LABEL
from shared.api.results import CustomResult, StepResult
from shared.workflow.undone import UNKNOWN

GONE: Final = "the Job was deleted before it ended; how far it came is not known"
_FINISHED: Final = frozenset({"Succeeded", "Failed"})
_NO_POD: Final = (
    "it has no pod yet; see its events: the ServiceAccount, a quota or an admission rule may "
    "be in the way"
)
_MAX_OUTPUT: Final = 1024


class Picked(msgspec.Struct, frozen=True, kw_only=True):
    """The container whose log is worth reading, and how it stands."""

    pod: str
    container: str
    state: str


def is_ours(job: Object, claim: KubernetesExecution) -> bool:
    """Return whether a Job was created for this very execution."""
    owners = job["metadata"].get("ownerReferences") or []
    return any(each.get("controller") and each["uid"] == claim.metadata.uid for each in owners)


def is_of_workflow(job: Object, claim: KubernetesExecution) -> bool:
    """Return whether a Job was created for an execution of the same workflow."""
    labels = job["metadata"].get("labels") or {}
    return bool(labels.get(WORKFLOW_UID_LABEL) == claim.spec.workflow_execution_ref.uid)


def was_created(claim: KubernetesExecution) -> bool:
    """Return whether it is on record that an execution created its Job."""
    status = claim.status
    made = (each for each in status.effects if each.answered and each.kind == JOB.kind)
    return any(each.verb == "create" for each in made) or bool(status.job_name)


def has_ended(job: Object) -> bool:
    """Return whether a Job has ended, and no pod of it runs."""
    return not {"Complete", "Failed"}.isdisjoint(_true_conditions(job))


def judge(job: Object | None, *, uid: str, action: Action) -> Verdict:
    """Say how the Job of that uid stands; None is for one that is not there."""
    if job is None or job["metadata"]["uid"] != uid:
        return Broken(error=ErrorType.UNKNOWN_ERROR, message=GONE, reason=UNKNOWN)
    conditions = _true_conditions(job)
    if "Complete" in conditions:
        output = f"Job {job['metadata']['name']} is complete"
        told = CustomResult(action_type=str(action), output=output[:_MAX_OUTPUT])
        return Done(result=StepResult(success=True, custom_result=told))
    if "Failed" in conditions:
        return _failed(conditions["Failed"])
    if job["metadata"].get("deletionTimestamp"):
        return Broken(error=ErrorType.UNKNOWN_ERROR, message=GONE, reason=UNKNOWN)
    if (job.get("spec") or {}).get("suspend"):
        return NotYet(message="it is suspended")
    active = (job.get("status") or {}).get("active")
    return NotYet(message="it runs" if active else _NO_POD)


def picked(pods: Sequence[Object]) -> Picked | None:
    """Return whose log counts: a container that failed, else the last one of the last pod."""
    if not pods:
        return None
    pod = max(pods, key=lambda each: (_phase(each) == "Failed", _age(each)))
    statuses = list(_statuses(pod))
    states = {each["name"]: _state(each.get("state") or {}) for each in statuses}
    troubled = next((name for name, (bad, _) in states.items() if bad), "")
    name = troubled or str(pod["spec"]["containers"][-1]["name"])
    _, state = states.get(name, (False, str((pod.get("status") or {}).get("reason") or "")))
    return Picked(pod=pod["metadata"]["name"], container=name, state=state)


def running(pods: Iterable[Object]) -> list[str]:
    """Return the names of the pods whose containers may still do something."""
    return sorted(each["metadata"]["name"] for each in pods if _phase(each) not in _FINISHED)


def _true_conditions(job: Object) -> dict[str, Object]:
    found = (job.get("status") or {}).get("conditions") or ()
    return {each["type"]: each for each in found if each["status"] == "True"}


def _failed(condition: Object) -> Broken:
    reason = str(condition.get("reason", ""))
    if reason == "DeadlineExceeded":
        return Broken(error=ErrorType.TIMEOUT, message="the Job ran longer than its timeout")
    more = "" if reason in {"", "BackoffLimitExceeded"} else f" ({reason})"
    return Broken(error=ErrorType.UNKNOWN_ERROR, message=f"the Job failed{more}")


def _statuses(pod: Object) -> Iterator[Object]:
    """Yield how the containers stand; sidecars, which are ended with the pod, at the end."""
    status = pod.get("status") or {}
    sidecars = {
        each["name"]
        for each in pod["spec"].get("initContainers") or ()
        if each.get("restartPolicy") == "Always"
    }
    before = status.get("initContainerStatuses") or ()
    yield from (each for each in before if each["name"] not in sidecars)
    yield from status.get("containerStatuses") or ()
    if _phase(pod) != "Succeeded":
        yield from (each for each in before if each["name"] in sidecars)


def _state(state: dict[str, Any]) -> tuple[bool, str]:
    """Return whether a container is in trouble, and how it stands."""
    ended, waiting = state.get("terminated"), state.get("waiting")
    if ended is not None:
        code, reason = ended.get("exitCode", 0), ended.get("reason", "")
        more = f" ({reason})" if reason not in {"", "Error", "Completed"} else ""
        return code != 0, f"ended with exit code {code}{more}"
    if waiting is not None:
        reason = waiting.get("reason", "")
        return reason not in {"", "PodInitializing", "ContainerCreating"}, f"waits: {reason}"
    return False, "runs" if "running" in state else ""


def _phase(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase", ""))


def _age(pod: Object) -> str:
    return str(pod["metadata"].get("creationTimestamp", ""))
