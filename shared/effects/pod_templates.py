"""What a PodTemplate may ask for that a Job is made from, and what speaks against one.

Pure. The lists are closed: what is not on them is refused, so that no field of a later
Kubernetes slips through. They keep to the "restricted" Pod Security Standard, and beyond it to
what keeps a Job at its place: its own account, no node of its choice, no priority.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

Problems = Iterator[tuple[str, str]]
"""Field of the PodTemplate, and what is wrong with it."""

SERVICE_ACCOUNT: Final = "mendflow-job"
"""Account of every Job, in the namespace of its workflow."""
RESERVED: Final = "MENDFLOW_"
"""What the names of our own environment variables begin with."""

_POD: Final = frozenset(
    {
        "activeDeadlineSeconds",
        "affinity",
        "automountServiceAccountToken",
        "containers",
        "dnsConfig",
        "dnsPolicy",
        "enableServiceLinks",
        "hostAliases",
        "hostUsers",
        "hostname",
        "imagePullSecrets",
        "initContainers",
        "nodeSelector",
        "os",
        "resources",
        "restartPolicy",
        "schedulerName",
        "securityContext",
        "serviceAccount",
        "serviceAccountName",
        "setHostnameAsFQDN",
        "shareProcessNamespace",
        "subdomain",
        "terminationGracePeriodSeconds",
        "tolerations",
        "topologySpreadConstraints",
        "volumes",
    }
)
_CONTAINER: Final = frozenset(
    {
        "args",
        "command",
        "env",
        "envFrom",
        "image",
        "imagePullPolicy",
        "lifecycle",
        "livenessProbe",
        "name",
        "ports",
        "readinessProbe",
        "resizePolicy",
        "resources",
        "restartPolicy",
        "securityContext",
        "startupProbe",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "volumeMounts",
        "workingDir",
    }
)
_POD_SECURITY: Final = frozenset(
    {
        "appArmorProfile",
        "fsGroup",
        "fsGroupChangePolicy",
        "runAsGroup",
        "runAsNonRoot",
        "runAsUser",
        "seccompProfile",
        "supplementalGroups",
        "supplementalGroupsPolicy",
    }
)
_CONTAINER_SECURITY: Final = frozenset(
    {
        "appArmorProfile",
        "capabilities",
        "readOnlyRootFilesystem",
        "runAsGroup",
        "runAsNonRoot",
        "runAsUser",
        "seccompProfile",
    }
)
_VOLUMES: Final = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
_HARMLESS_CAPABILITIES: Final = frozenset({"NET_BIND_SERVICE"})
_PROFILES: Final = frozenset({"RuntimeDefault", "Localhost"})
_PROFILE_ANNOTATIONS: Final = (
    "container.apparmor.security.beta.kubernetes.io/",
    "container.seccomp.security.alpha.kubernetes.io/",
    "seccomp.security.alpha.kubernetes.io/",
)
_RESTARTS: Final = MappingProxyType(
    {"initContainers": {None, "Never", "Always"}, "containers": {None, "Never"}}
)
"""What may be said of a container that ended; one that always runs goes along with the others."""
_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_REFERENCE: Final = re.compile(r"\$\$|\$\(([^)]*)\)")
"""What Kubernetes reads as an escaped dollar, or as the value of a variable."""
_REMOVE: Final = "a Job of a workflow may not have it; remove it"


def problems_of(pod_template: Mapping[str, Any], given: Collection[str] = ()) -> Problems:
    """Yield each field that a Job of a workflow may not have, and what to do about it.

    Args:
        pod_template: The PodTemplate, as the API server keeps it.
        given: Names of the environment variables that the workflow's own config adds.
    """
    template = _mapping(pod_template, "template")
    for key in sorted(_mapping(_mapping(template, "metadata"), "annotations")):
        if key.startswith(_PROFILE_ANNOTATIONS):
            yield f"template.metadata.annotations[{key}]", "use securityContext instead"
    spec, path = _mapping(template, "spec"), "template.spec"
    yield from _unknown(path, spec, _POD)
    for field in ("serviceAccountName", "serviceAccount"):
        if spec.get(field) not in {None, "", SERVICE_ACCOUNT}:
            yield f"{path}.{field}", f"a Job runs as {SERVICE_ACCOUNT}; remove it"
    yield from _security(f"{path}.securityContext", spec.get("securityContext"), _POD_SECURITY)
    for volume in _entries(spec, "volumes"):
        where = f"{path}.volumes[{volume.get('name')}]"
        yield from _unknown(where, volume, _VOLUMES | {"name"})
    for field, restarts in _RESTARTS.items():
        for container in _entries(spec, field):
            where = f"{path}.{field}[{container.get('name')}]"
            yield from _container(where, container, given, restarts)


def _container(
    path: str,
    container: Mapping[str, Any],
    given: Collection[str],
    restarts: Collection[str | None],
) -> Problems:
    yield from _unknown(path, container, _CONTAINER)
    if container.get("restartPolicy") not in restarts:
        yield f"{path}.restartPolicy", "a container of a Job runs once; remove it"
    yield from _security(
        f"{path}.securityContext",
        container.get("securityContext"),
        _CONTAINER_SECURITY | {"allowPrivilegeEscalation", "privileged", "procMount"},
    )
    for port in _entries(container, "ports"):
        if port.get("hostPort"):
            yield f"{path}.ports[{port.get('containerPort')}].hostPort", _REMOVE
    for probe in _PROBES:
        yield from _host(f"{path}.{probe}", _mapping(container, probe))
    for hook, handler in _mapping(container, "lifecycle").items():
        if isinstance(handler, Mapping):
            yield from _host(f"{path}.lifecycle.{hook}", handler)
    yield from _environment(path, container, given)
    yield from _references(path, container, given)


def _security(path: str, context: Any, known: Collection[str]) -> Problems:
    if not isinstance(context, Mapping):
        return
    yield from _unknown(path, context, known)
    yield from _user(path, context)
    for field in ("privileged", "allowPrivilegeEscalation"):
        if field in known and context.get(field):
            yield f"{path}.{field}", _REMOVE
    if context.get("procMount") not in {None, "Default"}:
        yield f"{path}.procMount", _REMOVE
    added = set(_mapping(context, "capabilities").get("add") or ()) - _HARMLESS_CAPABILITIES
    if added:
        yield f"{path}.capabilities.add", f"{', '.join(sorted(added))} may not be added; remove it"


def _user(path: str, context: Mapping[str, Any]) -> Problems:
    if context.get("runAsUser") == 0:
        yield f"{path}.runAsUser", "a Job may not run as root; name another user, or none"
    if context.get("runAsNonRoot") is False:
        yield f"{path}.runAsNonRoot", "a Job may not run as root; remove it"
    for field in ("seccompProfile", "appArmorProfile"):
        kind = _mapping(context, field).get("type")
        if kind is not None and kind not in _PROFILES:
            yield f"{path}.{field}.type", f"use one of {', '.join(sorted(_PROFILES))}"


def _host(path: str, handler: Mapping[str, Any]) -> Problems:
    for kind in ("httpGet", "tcpSocket"):
        if _mapping(handler, kind).get("host"):
            yield f"{path}.{kind}.host", _REMOVE


def _environment(path: str, container: Mapping[str, Any], given: Collection[str]) -> Problems:
    for variable in _entries(container, "env"):
        name = str(variable.get("name"))
        where = f"{path}.env[{name}]"
        if name.startswith(RESERVED):
            yield where, f"names that begin with {RESERVED} are given to the Job; use another"
        elif name in given:
            yield where, "the config of the workflow gives it too; remove it from one of them"


def _references(path: str, container: Mapping[str, Any], given: Collection[str]) -> Problems:
    """Yield where a value given by a workflow would be put into a command.

    Whether a shell reads it there, nobody can tell from here.
    """
    texts = [
        (f"{path}.{field}", each)
        for field in ("command", "args")
        for each in container.get(field) or ()
    ]
    texts += [
        (f"{path}.{probe}.exec.command", each)
        for probe in _PROBES
        for each in _mapping(_mapping(container, probe), "exec").get("command") or ()
    ]
    texts += [
        (f"{path}.volumeMounts[{mount.get('name')}].subPathExpr", mount.get("subPathExpr") or "")
        for mount in _entries(container, "volumeMounts")
    ]
    for where, text in texts:
        for match in _REFERENCE.finditer(text):
            name = match[1] or ""
            if name.startswith(RESERVED) or name in given:
                yield (
                    where,
                    (
                        f"$({name}) would put a value of the workflow into a command; "
                        "have the program read the environment variable itself"
                    ),
                )


def _unknown(path: str, found: Mapping[str, Any], known: Collection[str]) -> Problems:
    """Yield the fields that are not known; one that is false or empty asks for nothing."""
    for field in sorted(set(found) - set(known)):
        if found[field]:
            yield f"{path}.{field}", _REMOVE


def _mapping(found: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    value = found.get(field)
    return value if isinstance(value, Mapping) else {}


def _entries(found: Mapping[str, Any], field: str) -> list[Mapping[str, Any]]:
    return [each for each in found.get(field) or () if isinstance(each, Mapping)]
