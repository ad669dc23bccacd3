"""What the components are told: loopback only, encrypted, nobody anonymous."""

from pathlib import Path

import pytest
import yaml

from deploy.local import flags
from deploy.local.build import Binaries
from deploy.local.certs import load_or_create_pki
from deploy.local.flags import Layout
from deploy.local.ports import Ports

PORTS = Ports(
    etcd=1001, etcd_peer=1002, apiserver=1003, controller_manager=1004, scheduler=1005, kubelet=1006
)
STAGES = sorted((flags.RESOURCES / "kwok").glob("*.yaml"))
BEHAVIOUR = '.metadata.annotations["mendflow.test/pod"] // .metadata.labels["mendflow.test/pod"]'


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    binaries = Binaries(
        etcd=Path("/b/etcd"),
        kube_apiserver=Path("/b/kube-apiserver"),
        kube_controller_manager=Path("/b/kube-controller-manager"),
        kube_scheduler=Path("/b/kube-scheduler"),
        kwok=Path("/b/kwok"),
    )
    pki = load_or_create_pki(tmp_path / "pki")
    return Layout(work_dir=tmp_path, binaries=binaries, pki=pki, ports=PORTS)


def all_commands(layout: Layout) -> dict[str, tuple[str, ...]]:
    return {
        flags.ETCD: flags.etcd_command(layout, unsafe_no_fsync=True),
        flags.APISERVER: flags.apiserver_command(layout, audit=True),
        flags.CONTROLLER_MANAGER: flags.controller_manager_command(layout),
        flags.SCHEDULER: flags.scheduler_command(layout),
        flags.KWOK: flags.kwok_command(layout),
    }


def test_every_server_listens_on_the_loopback_interface_only(layout: Layout) -> None:
    for command in all_commands(layout).values():
        listening = [
            word for word in command if word.startswith(("--listen-", "--bind-", "--advertise-"))
        ]
        assert all("127.0.0.1" in word for word in listening)
        assert not any("http://" in word or "0.0.0.0" in word for word in command)  # noqa: S104


def test_nobody_is_anonymous_and_rights_are_checked(layout: Layout) -> None:
    command = flags.apiserver_command(layout, audit=True)

    assert "--anonymous-auth=false" in command
    assert "--authorization-mode=Node,RBAC" in command


def test_the_store_accepts_clients_of_its_own_authority_only(layout: Layout) -> None:
    command = flags.etcd_command(layout, unsafe_no_fsync=True)

    assert "--client-cert-auth=true" in command
    assert f"--trusted-ca-file={layout.pki.etcd.files.certificate}" in command
    assert layout.pki.etcd.certificate != layout.pki.cluster.certificate


def test_flags_of_the_caller_win(layout: Layout) -> None:
    extra = ("--anonymous-auth=true",)

    assert flags.apiserver_command(layout, audit=True, extra=extra)[-1:] == extra


@pytest.mark.parametrize("audit", [True, False])
def test_the_audit_log_can_be_left_out(layout: Layout, *, audit: bool) -> None:
    command = flags.apiserver_command(layout, audit=audit)

    assert any(word.startswith("--audit-") for word in command) is audit


@pytest.mark.parametrize("unsafe", [True, False])
def test_waiting_for_the_disk_can_be_asked_for(layout: Layout, *, unsafe: bool) -> None:
    command = flags.etcd_command(layout, unsafe_no_fsync=unsafe)

    assert f"--unsafe-no-fsync={str(unsafe).lower()}" in command


def test_kwok_is_given_every_stage_file(layout: Layout) -> None:
    command = flags.kwok_command(layout)

    assert STAGES
    assert {f"--config={stage}" for stage in STAGES} <= set(command)


def test_the_audit_policy_keeps_secrets_out() -> None:
    policy = yaml.safe_load((flags.RESOURCES / "audit-policy.yaml").read_text())
    first = next(rule for rule in policy["rules"] if "secrets" in str(rule))

    assert first["level"] == "Metadata"


def test_each_way_a_pod_can_misbehave_has_a_stage_and_keeps_it_from_being_ready() -> None:
    stages = [stage for path in STAGES for stage in yaml.safe_load_all(path.read_text())]
    wanted: set[str] = set()
    for stage in stages:
        for rule in stage["spec"]["selector"]["matchExpressions"]:
            if rule["key"] == BEHAVIOUR and rule["operator"] == "In":
                wanted.update(rule["values"])
    ready = next(stage for stage in stages if stage["metadata"]["name"] == "pod-ready")
    kept_off = next(
        rule["values"]
        for rule in ready["spec"]["selector"]["matchExpressions"]
        if rule["key"] == BEHAVIOUR
    )

    assert wanted == {"never-ready", "fail", "image-pull-error"} == set(kept_off)
