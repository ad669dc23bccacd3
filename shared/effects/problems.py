"""What is wrong with the parameters of one action beyond their types and ranges.

Pure. Asked at planning, and again once expressions have their values.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from shared.api.parameters import (
    ActionParameters,
    AnnotateResource,
    ApplyManifest,
    CollectDiagnostics,
    Custom,
    IncreaseResources,
    LabelResource,
    PatchDeployment,
    RestartPod,
    TaintNode,
    UntaintNode,
    UpdateConfigmap,
    UpdateHpa,
    UpdateNetworkPolicy,
    UpdateSecret,
    WaitForCondition,
)
from shared.effects import job_environment, keys
from shared.effects.manifests import ManifestError, parsed, parsed_object
from shared.effects.marks import is_ours
from shared.effects.targets import APPLICABLE, DIAGNOSABLE, MARKABLE, WAITABLE, is_name

Problems = Iterator[tuple[str, str]]
"""Field below the parameters, empty for all of them, and what is wrong."""

_PATCHABLE: Final = re.compile(r"/metadata/(labels|annotations)/.|/spec(/|$)")
_MARK: Final = re.compile(r"/metadata/(labels|annotations)/(?P<key>[^/]+)")
_MAPS: Final = ("labels", "annotations")
_RULES: Final = ("ingress", "egress", "policyTypes", "podSelector")


def problems_of(parameters: ActionParameters) -> Problems:
    """Yield each field with what is wrong with it, and what to do."""
    check = _CHECKS.get(type(parameters))
    if check is not None:
        yield from check(parameters)


def _wait(given: WaitForCondition) -> Problems:
    yield from _kind("targetResource.kind", given.target_resource.kind, WAITABLE, "waited for")


def _diagnostics(given: CollectDiagnostics) -> Problems:
    kind = given.target_resource.kind
    yield from _kind("targetResource.kind", kind, DIAGNOSABLE, "looked into")


def _labels(given: LabelResource) -> Problems:
    yield from _kind("kind", given.kind, MARKABLE, "labelled")
    yield from _changes("labels", given.labels, given.remove, keys.mark_problems)
    yield from _marks("labels", [*given.labels, *given.remove])


def _annotations(given: AnnotateResource) -> Problems:
    yield from _kind("kind", given.kind, MARKABLE, "annotated")
    yield from _changes("annotations", given.annotations, given.remove, keys.mark_problems)
    yield from _marks("annotations", [*given.annotations, *given.remove])


def _config_map(given: UpdateConfigmap) -> Problems:
    yield from _changes("data", given.data, given.remove, keys.data_problems)


def _pods(given: RestartPod) -> Problems:
    if sum(map(bool, (given.pod, given.selector, given.deployment))) != 1:
        yield "", "give one of pod, selector and deployment"
    # One with a comma in it would be read as several.
    yield from _each("selector", keys.mark_problems(given.selector))
    yield from _each("selector", keys.label_value_problems(_known(given.selector.values())))


def _taint(given: TaintNode | UntaintNode) -> Problems:
    yield from _each("key", keys.mark_problems(_known([given.key])))


def _resources(given: IncreaseResources) -> Problems:
    asked = (given.cpu_limit, given.memory_limit, given.cpu_request, given.memory_request)
    if not any(asked):
        yield "", "give at least one of cpuLimit, memoryLimit, cpuRequest, memoryRequest"


def _custom(given: Custom) -> Problems:
    if bool(given.template) == bool(given.custom_command):
        yield "", "give either customCommand or template"
    yield from job_environment.problems_of(given)


def _kind(field: str, kind: str, known: Mapping[str, Any], verb: str) -> Problems:
    if kind not in known:
        yield field, f"{kind!r} cannot be {verb}; use {', '.join(known)}"


def _changes(
    field: str,
    values: Mapping[str, str],
    remove: list[str],
    key_problems: Callable[[Iterable[str]], Iterator[str]],
) -> Problems:
    if not values and not remove:
        yield "", f"it changes nothing; give {field} or remove"
    both = sorted(set(values) & set(remove))
    if both:
        yield "remove", f"{', '.join(both)} cannot be set and removed at once"
    yield from _each(field, key_problems(values))
    yield from _each("remove", key_problems(_known(remove)))


def _each(field: str, messages: Iterable[str]) -> Problems:
    for message in messages:
        yield field, message


def _known(texts: Iterable[str]) -> Iterator[str]:
    """Yield the texts that hold no expression; what becomes of the others is judged later."""
    return (text for text in texts if "${" not in text)


def _secret(parameters: UpdateSecret) -> Problems:
    data, remove = parameters.data, parameters.remove
    if not parameters.values_from:
        yield from _changes("data", data, remove, keys.data_problems)
    elif data:
        yield "valuesFrom", "give values in data or in another Secret, not both"
    else:
        yield from _each("remove", keys.data_problems(_known(remove)))
    for key, value in data.items():
        if "${" in value or _is_base64(value):
            continue
        # A key that is none was named above, and may hold what ends a path.
        if not any(keys.data_problems([key])):
            yield f"data[{key}]", "it is no base64; encode the value"


def _is_base64(value: str) -> bool:
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _bounds(parameters: UpdateHpa) -> Problems:
    fewest, most = parameters.min_replicas, parameters.max_replicas
    if fewest is None and most is None:
        yield "", "give minReplicas, maxReplicas or both"
    if most == 0:
        yield "maxReplicas", "it must be at least 1"
    if isinstance(fewest, int) and isinstance(most, int) and fewest > most:
        yield "minReplicas", f"it is {fewest}, more than maxReplicas {most}"


def _deployment_patch(given: PatchDeployment) -> Problems:
    try:
        found = parsed(given.patch) if given.patch_type == "json" else parsed_object(given.patch)
    except ManifestError as error:
        yield "patch", str(error)
        return
    yield from _operations(found) if given.patch_type == "json" else _patch(found)


def _rules(given: UpdateNetworkPolicy) -> Problems:
    try:
        unknown = sorted(set(parsed_object(given.rules)) - set(_RULES))
    except ManifestError as error:
        yield "rules", str(error)
        return
    if unknown:
        yield "rules", f"{', '.join(unknown)} is not among {', '.join(_RULES)}"


def _applied(given: ApplyManifest) -> Problems:
    try:
        found = parsed_object(given.manifest)
    except ManifestError as error:
        yield "manifest", str(error)
        return
    yield from _manifest(found)
    meta = found.get("metadata")
    if isinstance(meta, dict):
        yield from _manifest_namespace(meta.get("namespace") or "", given.namespace)


def _operations(found: Any) -> Problems:
    if not isinstance(found, list) or not all(
        isinstance(each, dict) and {"op", "path"} <= set(each) for each in found
    ):
        yield "patch", "a JSON patch is a list of operations with op and path"
        return
    named = {str(each["path"]) for each in found}
    named |= {str(each["from"]) for each in found if "from" in each}
    for path in sorted(named):
        if not _PATCHABLE.match(path):
            yield "patch", f"{path!r} cannot be patched; patch a label, an annotation or the spec"
    marks = [match["key"] for match in map(_MARK.match, sorted(named)) if match]
    yield from _marks("patch", [key.replace("~1", "/").replace("~0", "~") for key in marks])


def _patch(found: dict[str, Any]) -> Problems:
    unknown = sorted(set(found) - {"apiVersion", "kind", "metadata", "spec"})
    if unknown:
        yield "patch", f"{', '.join(unknown)} cannot be patched; patch metadata or spec"
    if "metadata" in found:
        yield from _patched_metadata(found["metadata"])


def _patched_metadata(meta: Any) -> Problems:
    """Refuse what a JSON patch may not do either, and what empties a map without naming keys."""
    if not isinstance(meta, dict):
        yield "patch", "metadata is no object; write labels or annotations below it"
        return
    for field in sorted({"ownerReferences", "finalizers"} & set(meta)):
        yield "patch", f"metadata.{field} cannot be patched; leave it as it is"
    maps = {"metadata": meta} | {f"metadata.{key}": meta.get(key, {}) for key in _MAPS}
    for path, inside in maps.items():
        if not isinstance(inside, dict):
            yield "patch", f"{path} cannot be replaced; name each key, with null to remove it"
        elif any(key.startswith("$") for key in inside):
            yield "patch", f"{path} cannot hold directives; name each key, with null to remove it"
    yield from _marks("patch", _marked(meta))


def _manifest(found: dict[str, Any]) -> Problems:
    kind, meta = found.get("kind"), found.get("metadata")
    if kind == "Secret":
        yield "manifest", "whoever may read the workflow could read it; use update_secret"
        return
    known = APPLICABLE.get(kind) if isinstance(kind, str) else None
    if known is None:
        yield "manifest", f"kind {kind!r} cannot be applied; use {', '.join(APPLICABLE)}"
        return
    if found.get("apiVersion") != known.api_version:
        yield "manifest", f"apiVersion of a {kind} is {known.api_version}"
    if not isinstance(meta, dict) or not isinstance(meta.get("name"), str):
        yield "manifest", "metadata.name is missing; name the object"
    elif "${" not in meta["name"] and not is_name(meta["name"]):
        yield "manifest", f"metadata.name {meta['name'][:64]!r} is no name of an object"
    else:
        if {"ownerReferences", "finalizers"} & set(meta):
            yield "manifest", "ownerReferences and finalizers cannot be applied; remove them"
        yield from _marks("manifest", _marked(meta))


def _manifest_namespace(inside: Any, beside: str) -> Problems:
    """Refuse a manifest that says something else than the parameter next to it."""
    if not isinstance(inside, str):
        yield "manifest", "metadata.namespace is no text; leave it out, or put it in quotes"
    elif inside and beside and inside != beside and "${" not in inside + beside:
        yield (
            "manifest",
            f"metadata.namespace is {inside[:64]!r}, and namespace says {beside!r}; leave one out",
        )


def _marked(meta: dict[str, Any]) -> list[str]:
    """Return the keys of labels and annotations."""
    found = map(meta.get, _MAPS)
    return [str(key) for each in found if isinstance(each, dict) for key in each]


def _marks(field: str, given: Iterable[str]) -> Problems:
    """Refuse the marks by which people and services tell each other what is allowed."""
    for key in given:
        if is_ours(key):
            yield field, f"{key} cannot be set by a step; people and services tell by it"


_CHECKS: Final[Mapping[type, Callable[[Any], Problems]]] = {
    WaitForCondition: _wait,
    CollectDiagnostics: _diagnostics,
    LabelResource: _labels,
    AnnotateResource: _annotations,
    UpdateConfigmap: _config_map,
    UpdateSecret: _secret,
    RestartPod: _pods,
    TaintNode: _taint,
    UntaintNode: _taint,
    IncreaseResources: _resources,
    UpdateHpa: _bounds,
    Custom: _custom,
    PatchDeployment: _deployment_patch,
    UpdateNetworkPolicy: _rules,
    ApplyManifest: _applied,
}
