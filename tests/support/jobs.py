"""Claims of Jobs, and the Jobs and pods that a control plane would make of them."""

from typing import Any, Final

import msgspec

from shared.api.enums import Action
from shared.api.execution import KubernetesExecution
from shared.api.meta import CORRELATION_ANNOTATION
from shared.api.parameters import Custom, FailoverDatabase
from shared.api.workflow_spec import Step
from shared.effects.catalogue import with_parameters
from tests.support.builders import execution_of, make_workflow

Object = dict[str, Any]
JOB_UID: Final = "uid-of-the-job"
FAILOVER: Final = FailoverDatabase(database="orders", replica_name="orders-1")


def claim_of(
    parameters: FailoverDatabase | Custom = FAILOVER,
    *,
    step: str = "promote",
    workflow: str = "fix",
    attempt: int = 1,
    timeout: str = "5m",
    correlation: str = "",
) -> KubernetesExecution:
    """Return a claimed execution of a step that runs a Job."""
    action = Action.CUSTOM if isinstance(parameters, Custom) else Action.FAILOVER_DATABASE
    asked = Step(name=step, action=action, parameters=with_parameters(action, parameters))
    made = execution_of(make_workflow([asked], name=workflow), step, attempt=attempt, claimed=True)
    annotations = {CORRELATION_ANNOTATION: correlation} if correlation else {}
    return msgspec.structs.replace(
        made,
        metadata=msgspec.structs.replace(made.metadata, annotations=annotations),
        spec=msgspec.structs.replace(made.spec, timeout=timeout),
    )


def pod_template(name: str = "failover-database", **spec: Any) -> Object:
    """Return a PodTemplate with one container, as the API server would keep it."""
    container = {"name": "main", "image": "registry.example/tool:1", "command": ["promote"]}
    return {
        "apiVersion": "v1",
        "kind": "PodTemplate",
        "metadata": {"name": name, "uid": f"uid-of-{name}"},
        "template": {
            "metadata": {"labels": {"app": "tool"}},
            "spec": {
                "containers": [container],
                "restartPolicy": "Always",
                "dnsPolicy": "ClusterFirst",
                "schedulerName": "default-scheduler",
                "securityContext": {},
                "terminationGracePeriodSeconds": 30,
                **spec,
            },
        },
    }


def with_container(**fields: Any) -> Object:
    """Return a PodTemplate whose container has these fields besides."""
    template = pod_template()
    template["template"]["spec"]["containers"][0].update(fields)
    return template


def containers_of(job: Object) -> list[Object]:
    """Return all containers of a Job."""
    spec = job["spec"]["template"]["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]


def environment_of(container: Object) -> dict[str, str]:
    """Return the variables of a container, as they stand in the Job."""
    return {each["name"]: each["value"] for each in container["env"] if "value" in each}


def ended(job: Object, condition: str, reason: str = "") -> Object:
    """Return a Job that ended."""
    found = {"type": condition, "status": "True", "reason": reason}
    return job | {"status": {"conditions": [found]}}


def pod(name: str, phase: str, *, created: str = "2026-01-02T00:00:00Z", **states: Any) -> Object:
    """Return a pod with containers of these names and states."""
    return {
        "metadata": {"name": name, "creationTimestamp": created},
        "spec": {"containers": [{"name": each} for each in states]},
        "status": {
            "phase": phase,
            "containerStatuses": [{"name": each, "state": state} for each, state in states.items()],
        },
    }


def exited(code: int, reason: str = "Error") -> Object:
    """Return the state of a container that ended."""
    return {"terminated": {"exitCode": code, "reason": reason}}
