"""Settings of a service process: read once from the environment, refused when misspelt.

Nothing below a `__main__` reads the environment.
"""

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
from msgspec import Meta

PREFIX: Final = "MENDFLOW_"
_PLAIN_NAMES: Final = {
    "KUBERNETES_QPS": "qps",
    "KUBERNETES_BURST": "burst",
    "MAX_PARALLEL_STEPS": "max_parallel_steps",
    "COMPLEXITY_APPROVAL_THRESHOLD": "approval_threshold",
}
"""Names fixed by requirements 5.1, beside the prefixed ones."""
_NOT_OURS: Final = frozenset({"CACHE"})
"""Read by the local control plane, not by services."""


class SettingsError(Exception):
    """A setting is unknown or has a wrong value; the message says which and why."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every setting of a service, with its default."""

    kubeconfig: str = ""
    """Path of a kubeconfig file; empty uses the pod's own service account."""
    context: str = ""
    """Context in that file; empty uses its current one."""
    namespace: str = ""
    """Namespace to work in; empty means all."""
    system_namespace: str = "kubernaut-system"
    """Where leases are kept."""
    qps: Annotated[float, Meta(ge=0)] = 20.0
    """API requests per second of one process; 0 means no limit."""
    burst: Annotated[int, Meta(ge=1)] = 30
    """API requests at once after a pause."""
    nats_url: str = "nats://127.0.0.1:4222"
    """Where the NATS server is."""
    nats_credentials: str = ""
    """Path of a NATS credentials file."""
    resync_s: Annotated[float, Meta(gt=0)] = 30.0
    """Seconds between walks over all unfinished workflows; the net below all messages."""
    max_parallel_steps: Annotated[int, Meta(ge=1)] = 5
    """Steps in flight per workflow at most."""
    approval_threshold: Annotated[int, Meta(ge=1)] = 10
    """More steps than this wait for a person's approval."""
    identity: str = ""
    """Name of this replica; empty uses the host name."""
    host: str = "127.0.0.1"
    """Address that probes and metrics listen on; 0.0.0.0 in a pod."""
    health_port: Annotated[int, Meta(ge=0, le=65535)] = 8081
    """Port of /healthz and /readyz; 0 takes a free one."""
    metrics_port: Annotated[int, Meta(ge=0, le=65535)] = 9090
    """Port of /metrics; 0 takes a free one."""
    log_level: Annotated[str, Meta(pattern="^(debug|info|warning|error)$")] = "info"
    """Least important level that is logged."""
    log_format: Annotated[str, Meta(pattern="^(auto|json|console)$")] = "auto"
    """auto writes JSON unless on a terminal."""
    drain_s: Annotated[float, Meta(ge=0)] = 8.0
    """Seconds to finish what is held after SIGTERM."""


def load(environ: Mapping[str, str]) -> Settings:
    """Return the settings in an environment.

    Raises:
        SettingsError: naming the first variable that is unknown or has a wrong value.
    """
    values: dict[str, str] = {}
    for name, value in environ.items():
        field = _PLAIN_NAMES.get(name)
        if field is None and name.startswith(PREFIX):
            field = name.removeprefix(PREFIX).lower()
            if field.upper() in _NOT_OURS:
                continue
            if field not in Settings.__struct_fields__:
                known = ", ".join(f"{PREFIX}{f.upper()}" for f in Settings.__struct_fields__)
                message = f"{name} is not a setting; known are {known}"
                raise SettingsError(message)
        if field is not None:
            values[field] = value
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        message = f"a setting has a wrong value: {error}"
        raise SettingsError(message) from error


def describe(settings: Settings) -> str:
    """Return the settings as lines of `NAME=value`, fit for an environment file."""
    values = msgspec.to_builtins(settings)
    return "\n".join(f"{PREFIX}{name.upper()}={value}" for name, value in values.items())
