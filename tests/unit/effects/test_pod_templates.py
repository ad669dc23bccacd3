"""What a PodTemplate may not ask for: every field is named, and nothing unknown slips through."""

from typing import Any

import pytest

from shared.effects.pod_templates import problems_of
from tests.support.jobs import Object, pod_template, with_container

SPEC = "template.spec"
MAIN = f"{SPEC}.containers[main]"


def fields(template: Object, *given: str) -> list[str]:
    return [field for field, _ in problems_of(template, given)]


def test_a_template_that_asks_for_nothing_special_is_fine() -> None:
    volumes: list[Object] = [
        {"name": "scratch", "emptyDir": {}},
        {"name": "config", "configMap": {"name": "c"}},
        {"name": "password", "secret": {"secretName": "s"}},
        {"name": "data", "persistentVolumeClaim": {"claimName": "p"}},
        {"name": "all", "projected": {"sources": []}},
        {"name": "down", "downwardAPI": {"items": []}},
        {"name": "own", "ephemeral": {"volumeClaimTemplate": {}}},
        {"name": "driver", "csi": {"driver": "d"}},
    ]
    template = with_container(
        args=["--fast", "$(OWN)", "$$(MENDFLOW_STEP)"],
        env=[{"name": "OWN", "value": "x"}, {"name": "P", "valueFrom": {"secretKeyRef": {}}}],
        ports=[{"containerPort": 80, "protocol": "TCP"}],
        securityContext={
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
            "procMount": "Default",
            "privileged": False,
        },
        livenessProbe={"httpGet": {"path": "/", "port": 80}},
        volumeMounts=[{"name": "scratch", "mountPath": "/scratch", "subPathExpr": "$(OWN)"}],
    )
    template["template"]["spec"] |= {
        "volumes": volumes,
        "serviceAccountName": "mendflow-job",
        "serviceAccount": "mendflow-job",
        "hostNetwork": False,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}, "fsGroup": 1},
    }

    assert list(problems_of(template, ["OTHER"])) == []


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"hostNetwork": True}, "hostNetwork"),
        ({"hostPID": True}, "hostPID"),
        ({"hostIPC": True}, "hostIPC"),
        ({"serviceAccountName": "admin"}, "serviceAccountName"),
        ({"serviceAccount": "admin"}, "serviceAccount"),
        ({"nodeName": "node-0"}, "nodeName"),
        ({"priorityClassName": "system-node-critical"}, "priorityClassName"),
        ({"ephemeralContainers": [{"name": "e"}]}, "ephemeralContainers"),
        ({"ofALaterKubernetes": True}, "ofALaterKubernetes"),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, "volumes[v].hostPath"),
        ({"volumes": [{"name": "v", "nfs": {"server": "s"}}]}, "volumes[v].nfs"),
        ({"securityContext": {"runAsUser": 0}}, "securityContext.runAsUser"),
        ({"securityContext": {"runAsNonRoot": False}}, "securityContext.runAsNonRoot"),
        ({"securityContext": {"sysctls": [{"name": "a"}]}}, "securityContext.sysctls"),
        ({"securityContext": {"seLinuxOptions": {"t": "x"}}}, "securityContext.seLinuxOptions"),
        ({"securityContext": {"windowsOptions": {"a": "x"}}}, "securityContext.windowsOptions"),
        (
            {"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
            "securityContext.seccompProfile.type",
        ),
    ],
)
def test_sec12_what_a_pod_may_not_ask_for_is_named(asked: dict[str, Any], field: str) -> None:
    assert fields(pod_template(**asked)) == [f"{SPEC}.{field}"]


@pytest.mark.parametrize("place", ["containers", "initContainers"])
@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"securityContext": {"privileged": True}}, "securityContext.privileged"),
        (
            {"securityContext": {"allowPrivilegeEscalation": True}},
            "securityContext.allowPrivilegeEscalation",
        ),
        ({"securityContext": {"procMount": "Unmasked"}}, "securityContext.procMount"),
        ({"securityContext": {"runAsUser": 0}}, "securityContext.runAsUser"),
        (
            {"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}},
            "securityContext.capabilities.add",
        ),
        (
            {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}},
            "securityContext.appArmorProfile.type",
        ),
        ({"ports": [{"containerPort": 80, "hostPort": 80}]}, "ports[80].hostPort"),
        ({"volumeDevices": [{"name": "v"}]}, "volumeDevices"),
        ({"stdin": True}, "stdin"),
        ({"startupProbe": {"httpGet": {"host": "10.0.0.1"}}}, "startupProbe.httpGet.host"),
        (
            {"lifecycle": {"preStop": {"tcpSocket": {"host": "10.0.0.1"}}}},
            "lifecycle.preStop.tcpSocket.host",
        ),
        ({"env": [{"name": "MENDFLOW_STEP", "value": "x"}]}, "env[MENDFLOW_STEP]"),
        ({"env": [{"name": "LEVEL", "value": "x"}]}, "env[LEVEL]"),
        ({"args": ["-c", "rm $(MENDFLOW_PARAM_PATH)"]}, "args"),
        ({"command": ["sh", "-c", "echo $$$(LEVEL)"]}, "command"),
        (
            {"volumeMounts": [{"name": "v", "subPathExpr": "a/$(LEVEL)"}]},
            "volumeMounts[v].subPathExpr",
        ),
    ],
)
def test_sec12_what_a_container_may_not_ask_for_is_named(
    asked: dict[str, Any], field: str, place: str
) -> None:
    template = pod_template()
    template["template"]["spec"].setdefault(place, [{"name": "main"}])[0].update(asked)

    assert fields(template, "LEVEL") == [f"{SPEC}.{place}[main].{field}"]


@pytest.mark.parametrize("probe", ["livenessProbe", "readinessProbe", "startupProbe"])
def test_sec13_no_value_gets_into_the_command_of_a_probe(probe: str) -> None:
    command = ["sh", "-c", "test -e $(MENDFLOW_PARAM_PATH)"]
    template = with_container(**{probe: {"exec": {"command": command}}})

    assert fields(template) == [f"{MAIN}.{probe}.exec.command"]


@pytest.mark.parametrize("policy", ["Always", "OnFailure"])
def test_no_container_of_a_job_is_run_again(policy: str) -> None:
    template = with_container(restartPolicy=policy)
    template["template"]["spec"]["initContainers"] = [
        {"name": "before", "restartPolicy": "OnFailure"},
        {"name": "once", "restartPolicy": "Never"},
        {"name": "beside", "restartPolicy": "Always"},
    ]

    assert fields(template) == [
        f"{SPEC}.initContainers[before].restartPolicy",
        f"{MAIN}.restartPolicy",
    ]


def test_profiles_in_annotations_are_refused() -> None:
    template = pod_template()
    key = "container.apparmor.security.beta.kubernetes.io/main"
    template["template"]["metadata"]["annotations"] = {key: "unconfined", "harmless": "yes"}

    assert fields(template) == [f"template.metadata.annotations[{key}]"]


def test_all_problems_are_found_at_once() -> None:
    template = with_container(securityContext={"privileged": True, "runAsUser": 0})
    template["template"]["spec"]["hostPID"] = True

    assert set(fields(template)) == {
        f"{SPEC}.hostPID",
        f"{MAIN}.securityContext.privileged",
        f"{MAIN}.securityContext.runAsUser",
    }
