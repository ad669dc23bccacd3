"""Settings of a service process: read once from the environment, refused when misspelt.

Nothing below a `__main__` reads the environment.
"""

import difflib
import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Final, get_args

import msgspec
from msgspec import Meta

PREFIX: Final = "MENDFLOW_"
_PLAIN_NAMES: Final = {
    "KUBERNETES_QPS": "qps",
    "KUBERNETES_BURST": "burst",
    "MAX_CONCURRENT_STEPS": "max_parallel_steps",
    "MAX_PARALLEL_STEPS": "max_parallel_steps",
    "COMPLEXITY_APPROVAL_THRESHOLD": "approval_threshold",
}
"""Names that installations know, beside the prefixed ones; of two, the later one here wins."""
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
    qps: Annotated[float, Meta(ge=0, le=100_000)] = 20.0
    """API requests per second of one process; 0 means no limit."""
    burst: Annotated[int, Meta(ge=1, le=10_000)] = 30
    """API requests at once after a pause."""
    nats_url: str = "nats://127.0.0.1:4222"
    """Where the NATS server is."""
    nats_credentials: str = ""
    """Path of a NATS credentials file."""
    resync_s: Annotated[float, Meta(gt=0, le=86_400)] = 30.0
    """Seconds between walks over all unfinished workflows; the net below all messages."""
    max_parallel_steps: Annotated[int, Meta(ge=1, le=10_000)] = 5
    """Steps in flight per workflow at most."""
    concurrency_pools: bool = False
    """Whether ConcurrencyPools set a ceiling for all workflows of a namespace, and for all."""
    approval_threshold: Annotated[int, Meta(ge=1, le=10_000)] = 10
    """More steps than this wait for a person's approval."""
    gitops: Annotated[str, Meta(pattern="^(refuse|note)$")] = "refuse"
    """What becomes of a change to what Argo CD, Flux or Helm owns: refused, or made with a note."""
    job_image: Annotated[
        str,
        Meta(
            pattern=r"^([^\s@]+@sha256:[0-9a-f]{64})?$",
            description="an image with its digest, as name@sha256:..., or empty",
        ),
    ] = ""
    """Image that commands of `custom` run in, by digest; empty refuses them."""
    enable_validation_framework: bool = True
    """Whether policies guard the steps: conditions before and after, safety policies always."""
    policy_workers: Annotated[int, Meta(ge=1, le=32)] = 2
    """Policies that one process evaluates at the same time."""
    policy_timeout_s: Annotated[float, Meta(gt=0, le=30)] = 0.25
    """Seconds that one evaluation may take."""
    record_policy_inputs: bool = True
    """Whether what policies are asked and say is recorded, for `mendflow policy backtest`."""
    impersonate: bool = True
    """Whether targets are changed as an account of the workflow's namespace, one per action."""
    identity: str = ""
    """Name of this replica; empty uses the host name and the process id."""
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
    drain_s: Annotated[float, Meta(ge=0, le=3600)] = 8.0
    """Seconds to finish what is held after SIGTERM."""


def load(environ: Mapping[str, str]) -> Settings:
    """Return the settings in an environment; a prefixed name wins over a plain one.

    Raises:
        SettingsError: naming the first variable that is unknown or has a wrong value.
    """
    kinds = {item.name: item.type for item in msgspec.structs.fields(Settings)}
    names = {**_PLAIN_NAMES, **{_variable(field): field for field in kinds}}
    _refuse_unknown(environ, names.keys())
    return Settings(
        **{
            field: _convert(variable, environ[variable], kinds[field])
            for variable, field in names.items()
            if variable in environ
        }
    )


def explicit(environ: Mapping[str, str]) -> frozenset[str]:
    """Return the fields that an environment sets."""
    plain = {field for name, field in _PLAIN_NAMES.items() if name in environ}
    fields = (item.name for item in msgspec.structs.fields(Settings))
    return frozenset(plain | {field for field in fields if _variable(field) in environ})


def describe(settings: Settings) -> str:
    """Return the settings as lines of `NAME=value`, fit for an environment file."""
    values = msgspec.to_builtins(settings)
    return "\n".join(
        f"{_variable(name)}={_without_password(str(value))}" for name, value in values.items()
    )


def _variable(field: str) -> str:
    return f"{PREFIX}{field.upper()}"


def _convert(variable: str, text: str, kind: Any) -> Any:
    try:
        return msgspec.convert(text.strip(), kind, strict=False)
    except msgspec.ValidationError as error:
        why = _in_words(str(error), kind)
        message = f"{variable}={_without_password(text)} is refused: {why}"
        raise SettingsError(message) from error


def _in_words(error: str, kind: Any) -> str:
    if error.startswith("Expected `float`, got"):
        return "it must be a number"
    if error.startswith("Expected `bool`, got"):
        return "it must be true or false"
    if error.startswith("Expected `int`, got"):
        return "it must be a whole number"
    described = next((meta.description for meta in get_args(kind)[1:] if meta.description), None)
    if described is not None:
        return f"it must be {described}"
    pattern = next((meta.pattern for meta in get_args(kind)[1:] if meta.pattern), None)
    if pattern is not None:
        return f"it must be one of {', '.join(pattern.strip('^()$').split('|'))}"
    return error[0].lower() + error[1:].replace("`", "")


def _refuse_unknown(environ: Mapping[str, str], known: Collection[str]) -> None:
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in known:
            continue
        if variable.removeprefix(PREFIX) in _NOT_OURS or _is_service_link(variable, environ):
            continue
        near = difflib.get_close_matches(variable, sorted(known), n=1, cutoff=0.8)
        hint = f"did you mean {near[0]}?" if near else "--print-settings lists those there are"
        message = f"{variable} is not a setting; {hint}"
        raise SettingsError(message)


def _is_service_link(variable: str, environ: Mapping[str, str]) -> bool:
    """Tell what Kubernetes adds to each pod for a Service whose name begins like ours."""
    if re.search(r"_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$", variable):
        return True
    if re.search(r"_PORT_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?$", variable):
        return True
    return variable.endswith("_PORT") and environ[variable].startswith(("tcp://", "udp://"))


def _without_password(text: str) -> str:
    return re.sub(r"://[^/@\s]+@", "://***@", text)
