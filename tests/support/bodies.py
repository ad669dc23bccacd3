"""Objects as people write them."""

import base64
from typing import Any

import msgspec

from shared.api.groups import Kind
from shared.kube.port import Object


def object_of(kind: Kind, meta: Object, **fields: Any) -> Object:
    """Return an object of a kind."""
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta, **fields}


def encoded(text: str) -> str:
    """Return a text as it stands in a Secret."""
    return base64.b64encode(text.encode()).decode()


def text_of(body: Any) -> str:
    """Return an object, or a patch of one, as text."""
    return msgspec.json.encode(body).decode()
