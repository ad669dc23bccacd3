"""Structural OpenAPI schemas from msgspec Structs.

Descriptions come from `Meta`, else from the struct's docstring. Defaults are written for
spec only: a status is what was observed, and nothing is observed by default.
"""

import inspect
from collections.abc import Iterable
from enum import Enum
from typing import Any, Final

import msgspec
from msgspec import inspect as mi

from shared.api.actions.common import END

Schema = dict[str, Any]

_DEFAULT_MAX_STRING = 1024
_DEFAULT_MAX_LIST = 100

_PLAIN: Final[dict[type[mi.Type], Schema]] = {
    mi.DateTimeType: {"type": "string", "format": "date-time"},
    mi.BoolType: {"type": "boolean"},
    mi.AnyType: {"x-kubernetes-preserve-unknown-fields": True},
}


def schema_of(struct: type[msgspec.Struct], *, defaults: bool) -> Schema:
    """Return the schema of a struct; `defaults` says whether to write default values."""
    return _schema(mi.type_info(struct), defaults=defaults)


def _schema(info: mi.Type, *, defaults: bool) -> Schema:
    match info:
        case mi.Metadata(type=inner):
            return _schema(inner, defaults=defaults) | _described(info)
        case mi.UnionType(types=types):
            return _alternatives(types, defaults=defaults)
        case mi.StructType():
            return _struct(info, defaults=defaults)
        case mi.ListType():
            return _list(info, defaults=defaults)
        case mi.DictType():
            return _map(info, defaults=defaults)
        case _:
            return _scalar(info)


def _alternatives(types: Iterable[mi.Type], *, defaults: bool) -> Schema:
    """Return one schema for a number or a text; each bound holds for its own type only."""
    schemas = [_schema(t, defaults=defaults) for t in types if not isinstance(t, mi.NoneType)]
    if len(schemas) == 1:
        return schemas[0]
    merged: Schema = {}
    for schema in schemas:
        merged |= {key: value for key, value in schema.items() if key != "type"}
    alternatives = [{"type": schema["type"]} for schema in schemas]
    return {"x-kubernetes-int-or-string": True, "anyOf": alternatives} | merged


def _list(info: mi.ListType, *, defaults: bool) -> Schema:
    schema: Schema = {
        "type": "array",
        "items": _schema(info.item_type, defaults=defaults),
        "maxItems": info.max_length or _DEFAULT_MAX_LIST,
    }
    return schema | ({"minItems": info.min_length} if info.min_length else {})


def _scalar(info: mi.Type) -> Schema:
    match info:
        case mi.EnumType(cls=cls):
            return {"type": "string", "enum": [member.value for member in cls]}
        case mi.LiteralType(values=values):
            return {"type": "string", "enum": list(values)}
        case mi.StrType(pattern=pattern, min_length=shortest, max_length=longest):
            schema: Schema = {"type": "string", "maxLength": longest or _DEFAULT_MAX_STRING}
            schema |= {"minLength": shortest} if shortest else {}
            # The end of a text as Go spells it.
            return schema | ({"pattern": pattern.replace(END, "$")} if pattern else {})
        case mi.IntType(ge=low, le=high):
            return {"type": "integer"} | _bounds(low, high)
        case mi.FloatType(ge=low, le=high):
            return {"type": "number"} | _bounds(low, high)
        case _ if type(info) in _PLAIN:
            return dict(_PLAIN[type(info)])
        case _:
            message = f"{info} has no place in a CRD"
            raise TypeError(message)


def _map(info: mi.DictType, *, defaults: bool) -> Schema:
    value = info.value_type
    if isinstance(value, mi.AnyType):
        return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "type": "object",
        "maxProperties": info.max_length or _DEFAULT_MAX_LIST,
        "additionalProperties": _schema(value, defaults=defaults),
    }


def _struct(info: mi.StructType, *, defaults: bool) -> Schema:
    properties = {}
    for field in info.fields:
        schema = _schema(field.type, defaults=defaults)
        if defaults and (value := _default(field)) is not None:
            schema = schema | {"default": value}
        properties[field.encode_name] = schema
    schema = {"type": "object", "description": _summary(info.cls), "properties": properties}
    required = [field.encode_name for field in info.fields if field.required]
    return schema | ({"required": required} if required else {})


def _default(field: mi.Field) -> Any:
    """Return a scalar default worth writing; structs and containers stay absent."""
    value = field.default
    if isinstance(value, Enum):
        return value.value
    return value if isinstance(value, bool | int | float | str) and value != "" else None


def _bounds(low: float | None, high: float | None) -> Schema:
    bounds: Schema = {"minimum": low} if low is not None else {}
    return bounds | ({"maximum": high} if high is not None else {})


def _described(info: mi.Metadata) -> Schema:
    description = (info.extra_json_schema or {}).get("description")
    return {"description": description} if description else {}


def _summary(cls: type) -> str:
    return (inspect.getdoc(cls) or "").split("\n\n")[0].replace("\n", " ")
