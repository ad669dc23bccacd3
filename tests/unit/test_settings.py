"""Settings come from the environment, or the start fails with one sentence that names the cause.

Covered: defaults, names, further names, misspelt names, values of the wrong kind, what
Kubernetes adds to the environment by itself, and how settings are shown.
"""

import pytest

from shared.settings import Settings, SettingsError, describe, explicit, load


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = load({})

    assert settings == Settings()
    assert (settings.qps, settings.burst) == (20, 30)
    assert (settings.metrics_port, settings.health_port) == (9090, 8081)
    assert (settings.max_parallel_steps, settings.approval_threshold) == (5, 10)


@pytest.mark.parametrize(
    ("variable", "field"),
    [
        ("MENDFLOW_QPS", "qps"),
        ("KUBERNETES_QPS", "qps"),
        ("KUBERNETES_BURST", "burst"),
        ("MAX_PARALLEL_STEPS", "max_parallel_steps"),
        ("MAX_CONCURRENT_STEPS", "max_parallel_steps"),
        ("COMPLEXITY_APPROVAL_THRESHOLD", "approval_threshold"),
    ],
)
def test_prefixed_and_plain_names_are_honoured(variable: str, field: str) -> None:
    assert getattr(load({variable: " 42 "}), field) == 42


def test_nothing_is_changed_with_the_rights_of_the_executor_unless_it_is_asked_for() -> None:
    assert load({}).impersonate
    assert not load({"MENDFLOW_IMPERSONATE": "false"}).impersonate
    with pytest.raises(SettingsError, match="MENDFLOW_IMPERSONATE=no is refused: it must be true"):
        load({"MENDFLOW_IMPERSONATE": "no"})


def test_the_name_with_the_prefix_wins() -> None:
    assert load({"KUBERNETES_QPS": "1", "MENDFLOW_QPS": "2"}).qps == 2
    assert load({"MENDFLOW_QPS": "2", "KUBERNETES_QPS": "1"}).qps == 2


def test_row_31_what_the_environment_sets_is_known_under_each_of_its_names() -> None:
    environment = {"MAX_CONCURRENT_STEPS": "3", "MENDFLOW_BURST": "9", "PATH": "/bin"}

    assert explicit(environment) == {"max_parallel_steps", "burst"}


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        (
            "MENDFLOW_JOB_IMAGE",
            "registry.example/tools:latest",
            "it must be an image with its digest, as name@sha256:..., or empty",
        ),
        ("MENDFLOW_QPS", "lots", "it must be a number"),
        ("MENDFLOW_QPS", "nan", "expected float >= 0.0"),
        ("MENDFLOW_QPS", "-1", "expected float >= 0.0"),
        ("MENDFLOW_RESYNC_S", "inf", "expected float <= 86400.0"),
        ("MAX_PARALLEL_STEPS", "0", "expected int >= 1"),
        ("COMPLEXITY_APPROVAL_THRESHOLD", "-3", "expected int >= 1"),
        ("MENDFLOW_BURST", "1.5", "it must be a whole number"),
        ("MENDFLOW_BURST", "", "it must be a whole number"),
        ("MENDFLOW_HEALTH_PORT", "70000", "expected int <= 65535"),
        ("MENDFLOW_LOG_LEVEL", "loud", "it must be one of debug, info, warning, error"),
        ("MAX_PARALLEL_STEPS", "five", "it must be a whole number"),
        ("MENDFLOW_CONCURRENCY_POOLS", "maybe", "it must be true or false"),
        ("MENDFLOW_QSP", "3", "did you mean MENDFLOW_QPS?"),
        ("MENDFLOW_COLOUR_OF_THE_SKY", "3", "--print-settings lists"),
    ],
)
def test_nonsense_stops_the_start_with_its_name(variable: str, value: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({variable: value})

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
    assert load({variable: value}) == Settings()


def test_what_is_shown_can_be_read_back() -> None:
    settings = load({"MENDFLOW_DRAIN_S": "3", "MAX_PARALLEL_STEPS": "9"})
    pairs = dict(line.split("=", 1) for line in describe(settings).splitlines())

    assert load(pairs) == settings


def test_a_password_is_not_shown() -> None:
    shown = describe(load({"MENDFLOW_NATS_URL": "nats://me:hush@host:4222"}))

    assert "hush" not in shown
    assert "nats://***@host:4222" in shown
