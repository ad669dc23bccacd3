"""The Job that carries out one attempt: its name, and its body from a command or a template.

Pure, and the same for everybody who builds it. Values of the workflow reach the containers as
environment variables only, under the last entries of each list, so that no variable of the
template can be made from them.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from services.executor.core.changes import Object, RefusedError
from shared.api.actions.jobs import ByTemplate, Custom
from shared.api.enums import Action, ErrorType, ExecutionKind, Intent
from shared.api.execution import KubernetesExecution
from shared.api.groups import JOB, KUBERNETES_EXECUTION
from shared.api.meta import (
    ACTION_LABEL,
    CORRELATION_ANNOTATION,
    EXECUTION_LABEL,
    STEP_LABEL,
    WORKFLOW_LABEL,
    WORKFLOW_UID_LABEL,
    OwnerReference,
)
from shared.effects import job_environment, pod_templates
from shared.effects.job_environment import verbatim
from shared.effects.pod_templates import RESERVED, SERVICE_ACCOUNT
from shared.ids import Uid
from shared.workflow import durations
from shared.workflow.names import execution_name, fitting, operation_id

_MAX_NAME: Final = 63
_SUFFIX: Final = "-job"
_USER: Final = 65532
_KEPT_S: Final = 300
_GRACE_S: Final = 30
"""Seconds that a pod gets to end, at most: a step that is cancelled waits for it."""
_RESOURCES: Final = {
    "requests": {"cpu": "50m", "memory": "64Mi"},
    "limits": {"cpu": "200m", "memory": "256Mi"},
}
_LABEL_VALUE: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def job_name(execution: str) -> str:
    """Return the name of the Job of an execution, short enough to be the label of its pods."""
    return fitting(execution, longest=_MAX_NAME, of=execution, suffix=_SUFFIX)


def name_for(claim: KubernetesExecution) -> str:
    """Return the name of the Job of a claim; of one that settles, of the attempt it settles."""
    spec = claim.spec
    if spec.intent is not Intent.SETTLE:
        return job_name(claim.metadata.name)
    lost = execution_name(
        workflow=spec.workflow_execution_ref.name,
        uid=Uid(spec.workflow_execution_ref.uid),
        step=spec.step_name,
        number=spec.step_number,
        attempt=spec.attempt,
        kind=ExecutionKind.FORWARD,
    )
    return job_name(lost)


def by_command(parameters: ByTemplate) -> list[str]:
    """Return the command to run; empty where a PodTemplate says what runs."""
    return parameters.custom_command if isinstance(parameters, Custom) else []


def from_command(
    claim: KubernetesExecution, action: Action, parameters: ByTemplate, *, image: str
) -> Object:
    """Return the Job that runs a command in the configured image.

    Raises:
        RefusedError: when no image is configured, or no process can be given the parameters.
    """
    if not image:
        raise _invalid("customCommand: no image is configured; set MENDFLOW_JOB_IMAGE")
    container = {
        "name": "command",
        "image": image,
        "command": [verbatim(word) for word in by_command(parameters)],
        "securityContext": {"readOnlyRootFilesystem": True},
    }
    # Only what the account of Jobs may do is at stake, and whoever set the image knows it.
    spec = {"automountServiceAccountToken": True, "enableServiceLinks": False}
    return _job(claim, action, parameters, {"spec": {**spec, "containers": [container]}})


def from_template(
    claim: KubernetesExecution, action: Action, parameters: ByTemplate, pod_template: Object
) -> Object:
    """Return the Job that runs a PodTemplate.

    Raises:
        RefusedError: when the template asks for what a Job may not have, or no process can be
            given the parameters.
    """
    given = job_environment.config_of(parameters)
    found = [f"{field}: {why}" for field, why in pod_templates.problems_of(pod_template, given)]
    if found:
        raise _invalid(f"PodTemplate {pod_template['metadata']['name']}: {found[0]}")
    return _job(claim, action, parameters, pod_template.get("template") or {})


def _job(
    claim: KubernetesExecution, action: Action, parameters: ByTemplate, template: Object
) -> Object:
    if isinstance(parameters, Custom):
        for field, why in job_environment.problems_of(parameters):
            raise _invalid(f"{field}: {why}")
    meta, labels = claim.metadata, _labels(claim, action)
    timeout_s = math.ceil(durations.parse(claim.spec.timeout).total_seconds())
    own = template.get("metadata") or {}
    told = {"labels": labels, "annotations": _annotations(claim)}
    return {
        "apiVersion": JOB.api_version,
        "kind": JOB.kind,
        "metadata": {
            "name": job_name(meta.name),
            "namespace": meta.namespace,
            **told,
            "ownerReferences": [_owner(claim)],
        },
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "podReplacementPolicy": "Failed",
            "activeDeadlineSeconds": max(1, timeout_s),
            # Kept until no executor can take the attempt up any more: one that finds no Job
            # creates it.
            "ttlSecondsAfterFinished": max(_KEPT_S, timeout_s),
            "template": {
                "metadata": {key: {**(own.get(key) or {}), **told[key]} for key in told},
                "spec": _pod(template.get("spec") or {}, _environment(claim, action, parameters)),
            },
        },
    }


def _pod(spec: Mapping[str, Any], environment: Mapping[str, str]) -> Object:
    context = spec.get("securityContext") or {}
    grace = spec.get("terminationGracePeriodSeconds")
    done: Object = {
        "automountServiceAccountToken": False,
        **spec,
        "serviceAccountName": SERVICE_ACCOUNT,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": min(_GRACE_S, _GRACE_S if grace is None else grace),
        "securityContext": {
            "runAsUser": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
            **context,
            "runAsNonRoot": True,
        },
    }
    done.pop("serviceAccount", None)
    # What is said of the pod as a whole, its containers have to keep to.
    filled_in = {} if spec.get("resources") else _RESOURCES
    for field in ("initContainers", "containers"):
        if spec.get(field):
            done[field] = [_container(each, environment, filled_in) for each in spec[field]]
    return done


def _container(
    container: Mapping[str, Any], environment: Mapping[str, str], filled_in: Object
) -> Object:
    context = container.get("securityContext") or {}
    resources = container.get("resources") or {}
    capabilities = {**(context.get("capabilities") or {}), "drop": ["ALL"]}
    return {
        **container,
        "env": [*(container.get("env") or []), *_variables(environment)],
        "resources": resources
        if resources.get("limits") or resources.get("requests")
        else {**resources, **filled_in},
        "securityContext": {
            **context,
            "allowPrivilegeEscalation": False,
            "capabilities": capabilities,
        },
    }


def _environment(
    claim: KubernetesExecution, action: Action, parameters: ByTemplate
) -> dict[str, str]:
    spec = claim.spec
    operation = operation_id(
        Uid(spec.workflow_execution_ref.uid), spec.step_name, spec.attempt, spec.kind
    )
    return {
        **job_environment.parameters_of(parameters, namespace=claim.metadata.namespace),
        f"{RESERVED}ACTION": str(action),
        f"{RESERVED}WORKFLOW": spec.workflow_execution_ref.name,
        f"{RESERVED}STEP": spec.step_name,
        f"{RESERVED}OPERATION_ID": operation,
    }


def _variables(environment: Mapping[str, str]) -> list[Object]:
    return [{"name": name, "value": verbatim(value)} for name, value in environment.items()]


def _labels(claim: KubernetesExecution, action: Action) -> dict[str, str]:
    inherited = (WORKFLOW_LABEL, WORKFLOW_UID_LABEL, STEP_LABEL)
    labels = {key: claim.metadata.labels[key] for key in inherited if key in claim.metadata.labels}
    labels |= {EXECUTION_LABEL: claim.metadata.name, ACTION_LABEL: str(action)}
    correlation = claim.metadata.annotations.get(CORRELATION_ANNOTATION, "")
    if _LABEL_VALUE.fullmatch(correlation):
        labels[CORRELATION_ANNOTATION] = correlation
    return labels


def _annotations(claim: KubernetesExecution) -> dict[str, str]:
    found = claim.metadata.annotations.get(CORRELATION_ANNOTATION)
    return {CORRELATION_ANNOTATION: found} if found else {}


def _owner(claim: KubernetesExecution) -> Object:
    owner = OwnerReference(
        api_version=KUBERNETES_EXECUTION.api_version,
        kind=KUBERNETES_EXECUTION.kind,
        name=claim.metadata.name,
        uid=claim.metadata.uid,
        controller=True,
        block_owner_deletion=False,
    )
    found: Object = msgspec.to_builtins(owner)
    return found


def _invalid(message: str) -> RefusedError:
    return RefusedError(ErrorType.VALIDATION_ERROR, message)
