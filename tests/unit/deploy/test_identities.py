"""Certificates and kubeconfig files: who is who, and who can read the keys."""

import base64
import stat
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from deploy.local.certs import KeyPair, Pki, load_or_create_pki
from deploy.local.kubeconfig import file_name, render_kubeconfig, write_kubeconfig


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return load_or_create_pki(tmp_path / "pki")


def names(certificate: bytes, kind: x509.ObjectIdentifier) -> list[str]:
    subject = x509.load_pem_x509_certificate(certificate).subject
    return [str(each.value) for each in subject.get_attributes_for_oid(kind)]


def test_a_client_certificate_names_the_user_and_the_groups(pki: Pki) -> None:
    pair = pki.cluster.issue_client("alice", groups=("dev", "ops"))

    assert names(pair.certificate, NameOID.COMMON_NAME) == ["alice"]
    assert names(pair.certificate, NameOID.ORGANIZATION_NAME) == ["dev", "ops"]


def test_the_server_is_known_by_its_address(pki: Pki) -> None:
    certificate = x509.load_pem_x509_certificate(pki.server.load().certificate)
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)

    addresses = extension.value.get_values_for_type(x509.IPAddress)
    assert "127.0.0.1" in map(str, addresses)


def test_users_of_the_cluster_are_strangers_to_the_store(pki: Pki) -> None:
    user = x509.load_pem_x509_certificate(pki.cluster.issue_client("alice").certificate)
    store = x509.load_pem_x509_certificate(pki.etcd.certificate)

    with pytest.raises(ValueError, match="Issuer"):
        user.verify_directly_issued_by(store)


def test_nobody_else_can_read_a_key(pki: Pki, tmp_path: Path) -> None:
    write_kubeconfig(tmp_path / "k", authority=pki.cluster, server="https://s", user="alice")
    secret = [*(tmp_path / "pki").glob("*.key"), *(tmp_path / "k").iterdir()]

    assert len(secret) > 1
    assert {stat.S_IMODE(path.stat().st_mode) for path in secret} == {0o600}


def test_an_authority_is_made_once(pki: Pki, tmp_path: Path) -> None:
    again = load_or_create_pki(tmp_path / "pki")

    assert again.cluster.certificate == pki.cluster.certificate
    assert again.server.load() == pki.server.load()


def test_a_kubeconfig_holds_all_it_needs() -> None:
    pair = KeyPair(certificate=b"certificate", key=b"key")
    text = render_kubeconfig(server="https://s:1", authority=b"ca", user="alice", pair=pair)
    config = yaml.safe_load(text)

    (cluster,), (user,), (context,) = config["clusters"], config["users"], config["contexts"]
    assert config["current-context"] == context["name"]
    assert context["context"] == {"cluster": cluster["name"], "user": user["name"]}
    assert cluster["cluster"]["server"] == "https://s:1"
    assert base64.b64decode(cluster["cluster"]["certificate-authority-data"]) == b"ca"
    assert base64.b64decode(user["user"]["client-certificate-data"]) == b"certificate"
    assert base64.b64decode(user["user"]["client-key-data"]) == b"key"


def test_file_names_are_plain_for_plain_users() -> None:
    assert file_name("alice") == "alice.kubeconfig"


def test_file_names_tell_users_and_groups_apart() -> None:
    found = {
        file_name("alice"),
        file_name("alice", groups=("dev",)),
        file_name("alice", groups=("dev", "ops")),
        file_name("a/b"),
        file_name("a:b"),
        file_name("a-b"),
        file_name("../alice"),
    }

    assert len(found) == 7
    assert not any("/" in name or name.startswith(".") for name in found)


def test_the_order_of_groups_does_not_matter() -> None:
    assert file_name("a", groups=("x", "y")) == file_name("a", groups=("y", "x"))
