"""Settings come from the environment, or the start fails with one sentence that names the cause.

Covered: defaults, names, further names, misspelt names, values of the wrong kind, what
Kubernetes adds to the environment by itself, and how settings are shown.
"""

import msgspec
import pytest

from shared.settings import PREFIX, Settings, SettingsError, describe, load


def read(**environ: str) -> Settings:
    return load(Settings, PREFIX, environ)


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = read()

    assert settings == Settings()
    assert (settings.kube.qps, settings.kube.burst) == (20, 30)
    assert (settings.probes.metrics_port, settings.probes.health_port) == (9090, 8081)
    assert (settings.limits.max_parallel_steps, settings.limits.approval_threshold) == (5, 10)


def test_a_variable_is_named_prefix_group_field() -> None:
    settings = read(
        MENDFLOW_KUBE_QPS="7.5", MENDFLOW_LOG_LEVEL="debug", MENDFLOW_BUS_URL="nats://n"
    )

    assert settings.kube.qps == 7.5
    assert settings.log.level == "debug"
    assert settings.bus.url == "nats://n"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        read().kube.qps = 3  # type: ignore[misc]  # what this is about


@pytest.mark.parametrize(
    ("variable", "group", "name"),
    [
        ("KUBERNETES_QPS", "kube", "qps"),
        ("KUBERNETES_BURST", "kube", "burst"),
        ("MAX_PARALLEL_STEPS", "limits", "max_parallel_steps"),
        ("MAX_CONCURRENT_STEPS", "limits", "max_parallel_steps"),
        ("COMPLEXITY_APPROVAL_THRESHOLD", "limits", "approval_threshold"),
    ],
)
def test_short_names_are_honoured(variable: str, group: str, name: str) -> None:
    settings = read(**{variable: "42"})

    assert getattr(getattr(settings, group), name) == 42


def test_the_name_with_the_prefix_wins() -> None:
    assert read(KUBERNETES_QPS="1", MENDFLOW_KUBE_QPS="2").kube.qps == 2


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("MENDFLOW_KUBE_QPS", "lots", "it must be a number"),
        ("MENDFLOW_KUBE_QPS", "nan", "it must be a number"),
        ("MENDFLOW_KUBE_QPS", "0", "expected float > 0.0"),
        ("MENDFLOW_KUBE_BURST", "1.5", "it must be a whole number"),
        ("MENDFLOW_KUBE_BURST", "", "it must be a whole number"),
        ("MENDFLOW_PROBES_HEALTH_PORT", "70000", "expected int <= 65535"),
        ("MENDFLOW_LOG_LEVEL", "loud", "it must be one of debug, info, warning, error"),
        ("MAX_PARALLEL_STEPS", "five", "it must be a whole number"),
        ("MENDFLOW_KUBE_QSP", "3", "did you mean MENDFLOW_KUBE_QPS?"),
        ("MENDFLOW_COLOUR_OF_THE_SKY", "3", "--print-settings lists"),
    ],
)
def test_nonsense_stops_the_start_with_its_name(variable: str, value: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(**{variable: value})

    assert variable in str(caught.value)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MENDFLOW_PLANNER_SERVICE_HOST", "10.0.0.1"),
        ("MENDFLOW_PLANNER_SERVICE_PORT_METRICS", "9090"),
        ("MENDFLOW_PLANNER_PORT", "tcp://10.0.0.1:9090"),
        ("MENDFLOW_PLANNER_PORT_9090_TCP_ADDR", "10.0.0.1"),
        ("MENDFLOW_CACHE", "/somewhere"),
        ("PATH", "/bin"),
    ],
)
def test_what_others_set_is_no_misspelling(variable: str, value: str) -> None:
    assert read(**{variable: value}) == Settings()


def test_what_is_shown_can_be_read_back() -> None:
    settings = read(MENDFLOW_RUNTIME_DRAIN_S="3", MAX_PARALLEL_STEPS="9")
    lines = [line.split("#")[0].strip() for line in describe(settings).splitlines()]
    pairs = dict(line.split("=", 1) for line in lines if line)

    assert load(Settings, PREFIX, pairs) == settings
    assert len(pairs) == sum(
        len(msgspec.structs.fields(group.type)) for group in msgspec.structs.fields(Settings)
    )


def test_every_variable_is_explained() -> None:
    assert all(
        "  # " in line or line.startswith("# ") for line in describe(Settings()).splitlines()
    )


def test_a_password_is_not_shown() -> None:
    shown = describe(read(MENDFLOW_BUS_URL="nats://me:hush@host:4222"))

    assert "hush" not in shown
    assert "nats://***@host:4222" in shown
