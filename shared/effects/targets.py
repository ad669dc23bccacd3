"""What an action is about: the one object it changes or looks at, by name."""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from shared.api.actions.jobs import ByTemplate
from shared.api.enums import Action
from shared.api.groups import (
    CONFIG_MAP,
    CRON_JOB,
    DAEMON_SET,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    INGRESS,
    JOB,
    NETWORK_POLICY,
    NODE,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    POD_DISRUPTION_BUDGET,
    POD_TEMPLATE,
    SERVICE,
    STATEFUL_SET,
    Kind,
)
from shared.api.parameters import (
    ActionParameters,
    AnnotateResource,
    ApplyManifest,
    CollectDiagnostics,
    Custom,
    LabelResource,
    MigrateWorkload,
    RestartNetwork,
    RestartPod,
    RolloutStatus,
    WaitForCondition,
)
from shared.effects import manifests
from shared.effects.catalogue import CATALOGUE, Family

_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_LONGEST_NAME: Final = 253
_WORKLOADS: Final = (DEPLOYMENT, STATEFUL_SET, DAEMON_SET)
WAITABLE: Final = {kind.kind: kind for kind in (DEPLOYMENT, JOB, POD)}
DIAGNOSABLE: Final = {kind.kind: kind for kind in (*_WORKLOADS, POD)}
MARKABLE: Final = {kind.kind: kind for kind in (*_WORKLOADS, POD, SERVICE, CONFIG_MAP)}
"""Kinds whose labels and annotations may be changed."""
APPLICABLE: Final = {
    kind.kind: kind
    for kind in (
        *_WORKLOADS,
        JOB,
        CRON_JOB,
        SERVICE,
        CONFIG_MAP,
        NETWORK_POLICY,
        INGRESS,
        HORIZONTAL_POD_AUTOSCALER,
        POD_DISRUPTION_BUDGET,
        PERSISTENT_VOLUME_CLAIM,
    )
}
"""Kinds of which a manifest may be applied: nothing that gives rights or holds secrets."""


READABLE: Final = frozenset({*APPLICABLE.values(), POD, NODE, POD_TEMPLATE})
"""Kinds of targets that policies get to see."""


NETWORK_NAMESPACE: Final = "kube-system"
"""Where the DaemonSets of a cluster's network live."""


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """One object, by name."""

    kind: Kind
    name: str
    """Empty for objects that are found by their labels."""
    namespace: str
    """Empty for what belongs to no namespace."""

    def __str__(self) -> str:
        """Return it as people write it."""
        place = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind.kind} {place}"


def target_of(action: Action, parameters: ActionParameters, namespace: str) -> Address | None:
    """Return the object an action is about; None where it is about none, or of no known kind.

    Args:
        action: its canonical name.
        parameters: without expressions.
        namespace: the workflow's own, where the parameters name none.
    """
    entry = CATALOGUE[action]
    own = named_namespace(parameters) or namespace
    if isinstance(parameters, RestartNetwork):
        own = NETWORK_NAMESPACE
    if entry.kind is not None:
        name = str(getattr(parameters, entry.named_by))
        return Address(kind=entry.kind, name=name, namespace=own if entry.kind.namespaced else "")
    if entry.family is Family.JOBS:
        return Address(
            kind=_job_source(parameters), name=template_of(action, parameters), namespace=own
        )
    found = _special(parameters)
    return Address(kind=found[0], name=found[1], namespace=own) if found else None


def named_namespace(parameters: ActionParameters) -> str:
    """Return the namespace that parameters name; empty for none."""
    match parameters:
        case WaitForCondition(target_resource=target) | CollectDiagnostics(target_resource=target):
            return target.namespace
        case ApplyManifest(namespace="", manifest=text):
            return manifests.identity_of(text).namespace
        case _:
            return str(getattr(parameters, "namespace", ""))


def template_of(action: Action, parameters: ActionParameters | ByTemplate) -> str:
    """Return the name of the PodTemplate that a Job of the action is made from."""
    return str(getattr(parameters, "template", "")) or str(action).replace("_", "-")


def _job_source(parameters: ActionParameters) -> Kind:
    by_command = isinstance(parameters, Custom) and not parameters.template
    return JOB if by_command else POD_TEMPLATE


def _special(parameters: ActionParameters) -> tuple[Kind, str] | None:
    match parameters:
        case WaitForCondition(target_resource=target) | CollectDiagnostics(target_resource=target):
            return _named(WAITABLE | DIAGNOSABLE, target.kind, target.name)
        case LabelResource(kind=kind, name=name) | AnnotateResource(kind=kind, name=name):
            return _named(MARKABLE, kind, name)
        case MigrateWorkload(kind=workload, workload=name):
            return _named(MARKABLE, workload, name)
        case RolloutStatus(deployment=name):
            return DEPLOYMENT, name
        case RestartPod(pod=pod, deployment=deployment):
            return (DEPLOYMENT, deployment) if deployment else (POD, pod)
        case _:
            return _applied(parameters) if isinstance(parameters, ApplyManifest) else None


def _named(known: Mapping[str, Kind], kind: str, name: str) -> tuple[Kind, str] | None:
    return (known[kind], name) if kind in known else None


def is_name(text: str) -> bool:
    """Return whether a text can be the name of an object, and so a part of its path."""
    return len(text) <= _LONGEST_NAME and _NAME.fullmatch(text) is not None


def _applied(parameters: ApplyManifest) -> tuple[Kind, str] | None:
    identity = manifests.identity_of(parameters.manifest)
    if not is_name(identity.name):
        return None
    return _named(APPLICABLE, identity.kind, identity.name)
