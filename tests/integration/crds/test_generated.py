"""The CRD files: generated, small enough for client-side apply, and described throughout."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
import pytest
import yaml

from shared.api.workflow_spec import AdaptiveOrchestration, ExecutionStrategy, WorkflowSpec
from tests.support.servers import CRDS
from tools import crd_rules
from tools.generate_crds import rendered

CONTROL: Final = {"control", "rollback_to", "execution_strategy", "adaptive_orchestration"}
CHANGEABLE: Final = {"max_parallel_steps"}

FILES: Final = sorted(rendered())


def test_files_are_what_the_structs_say() -> None:
    assert {path.name: path.read_text() for path in CRDS.glob("*.yaml")} == rendered()


@pytest.mark.parametrize("name", FILES)
def test_a_file_fits_into_the_annotation_of_client_side_apply(name: str) -> None:
    kept = msgspec.json.encode(yaml.safe_load((CRDS / name).read_text()))

    assert len(kept) < 200_000


@pytest.mark.parametrize("name", FILES)
def test_every_field_is_described(name: str) -> None:
    bare = [path for path, field in _fields(_schema(name), "") if not field.get("description")]

    assert bare == []


@pytest.mark.parametrize("name", FILES)
def test_every_text_list_and_map_is_bounded(name: str) -> None:
    assert list(_unbounded(_schema(name), "")) == []


def test_whatever_may_not_change_is_frozen() -> None:
    for struct, frozen, free in (
        (WorkflowSpec, crd_rules._FROZEN, CONTROL),
        (ExecutionStrategy, crd_rules._FROZEN_STRATEGY, CHANGEABLE),
        (AdaptiveOrchestration, crd_rules._FROZEN_ADAPTIVE, {"adjustments"}),
    ):
        names = {each.name: each.encode_name for each in msgspec.structs.fields(struct)}
        assert {names[name] for name in names.keys() - free} == set(frozen)


def _schema(name: str) -> dict[str, Any]:
    (version,) = yaml.safe_load(rendered()[name])["spec"]["versions"]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


def _fields(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}", field
    for name, inner in _inner(schema):
        yield from _fields(inner, f"{path}{name}")


def _unbounded(schema: dict[str, Any], path: str) -> Iterator[str]:
    limits = {"string": ("maxLength", "enum", "format"), "array": ("maxItems",)}
    kind = schema.get("type", "")
    if kind in limits and not any(limit in schema for limit in limits[kind]):
        yield path
    if "additionalProperties" in schema and "maxProperties" not in schema:
        yield path
    for name, inner in _inner(schema):
        yield from _unbounded(inner, f"{path}{name}")


def _inner(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, field in schema.get("properties", {}).items():
        yield f".{name}", field
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield "[]", schema[key]
