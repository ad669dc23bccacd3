"""What became of Deployments: every value of the fields that workflows change, in order."""

from typing import Any, Final

import msgspec

_RESTARTED: Final = "kubectl.kubernetes.io/restartedAt"
_TO_THE_SECOND: Final = len("2026-01-31T23:59:59")
UNSET: Final = "-"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One field of one Deployment over a while."""

    deployment: str
    field: str
    values: tuple[str, ...]
    """Each value it had, the first before and the last after; never two alike in a row."""


class History:
    """Remembers what it is shown; order is that of being shown."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], list[str]] = {}

    def show(self, deployment: dict[str, Any]) -> None:
        """Take note of a Deployment as it is now."""
        name = deployment["metadata"]["name"]
        for field, value in _fields(deployment).items():
            values = self._values.setdefault((name, field), [])
            if not values or values[-1] != value:
                values.append(value)

    def since_last(self) -> list[Change]:
        """Return what happened since this was last asked, and start again from what is now."""
        found = [
            Change(deployment=name, field=field, values=tuple(values))
            for (name, field), values in sorted(self._values.items())
        ]
        self._values = {key: values[-1:] for key, values in self._values.items()}
        return found


def _fields(deployment: dict[str, Any]) -> dict[str, str]:
    spec = deployment["spec"]
    template = spec["template"]
    annotations = template.get("metadata", {}).get("annotations") or {}
    images = {
        f"image of {container['name']}": container["image"].rpartition("/")[2]
        for container in template["spec"]["containers"]
    }
    return {
        "replicas": str(spec.get("replicas", 1)),
        **images,
        "restartedAt": annotations.get(_RESTARTED, UNSET)[:_TO_THE_SECOND],
    }
