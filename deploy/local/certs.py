"""The certificates of one control plane: two authorities, its servers and its users.

Clients of etcd have an authority of their own: who may talk to the API server must not thereby
be able to talk to the store behind its back. Everything lives for a year in one directory, so
that users can be added later and by another process.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME: Final = timedelta(days=365)
# Clocks of a host and of its virtual machines differ by a little.
_BACKDATED: Final = timedelta(hours=1)
_SERVER_NAMES: Final = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
_SERVER_ADDRESSES: Final = ("127.0.0.1", "10.96.0.1")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, as PEM."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class StoredPair:
    """The files that hold a certificate and its private key."""

    certificate: Path
    key: Path

    def exists(self) -> bool:
        """Say whether both files are there."""
        return self.certificate.exists() and self.key.exists()

    def load(self) -> KeyPair:
        """Read both files."""
        return KeyPair(certificate=self.certificate.read_bytes(), key=self.key.read_bytes())

    def save(self, pair: KeyPair) -> None:
        """Write both files, the key readable by its owner only."""
        write_private(self.key, pair.key)
        self.certificate.write_bytes(pair.certificate)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that nobody but its owner could read at any time."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)


class Authority:
    """A certificate authority that is kept in two files."""

    def __init__(self, files: StoredPair, *, name: str) -> None:
        """Load the authority from its files, or make it and save it there."""
        if not files.exists():
            files.save(_new_authority(name))
        pair = files.load()
        self.files = files
        self.certificate = pair.certificate
        self._issuer = x509.load_pem_x509_certificate(pair.certificate)
        key = serialization.load_pem_private_key(pair.key, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            message = f"{files.key} is not a key of ours"
            raise TypeError(message)
        self._key = key

    def issue_server(self, name: str) -> KeyPair:
        """Issue for a server on the loopback interface, which may be a client as well."""
        key = _new_key()
        usages = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
        addresses = [x509.IPAddress(ipaddress.ip_address(each)) for each in _SERVER_ADDRESSES]
        names = [x509.DNSName(each) for each in _SERVER_NAMES]
        alternatives = x509.SubjectAlternativeName([*names, *addresses])
        builder = self._leaf(key, subject=_subject(name, groups=()), usages=usages)
        return self._sign(builder.add_extension(alternatives, critical=False), key=key)

    def issue_client(self, user: str, *, groups: Sequence[str] = ()) -> KeyPair:
        """Issue for a user; Kubernetes reads the name from CN and the groups from O."""
        key = _new_key()
        usages = (ExtendedKeyUsageOID.CLIENT_AUTH,)
        return self._sign(
            self._leaf(key, subject=_subject(user, groups=groups), usages=usages), key=key
        )

    def _leaf(
        self,
        key: ec.EllipticCurvePrivateKey,
        *,
        subject: x509.Name,
        usages: Sequence[x509.ObjectIdentifier],
    ) -> x509.CertificateBuilder:
        return (
            _builder(key, subject=subject, issuer=self._issuer.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        )

    def _sign(
        self, builder: x509.CertificateBuilder, *, key: ec.EllipticCurvePrivateKey
    ) -> KeyPair:
        return _to_pair(builder.sign(self._key, hashes.SHA256()), key=key)


@dataclass(frozen=True, slots=True)
class Pki:
    """All certificate files of one control plane."""

    cluster: Authority
    etcd: Authority
    etcd_server: StoredPair
    etcd_client: StoredPair
    server: StoredPair
    admin: StoredPair
    service_accounts: StoredPair
    """The pair that signs service account tokens; its certificate file is the bare public key."""


def load_or_create_pki(directory: Path) -> Pki:
    """Return the certificates in a directory, making those that are missing."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    pki = Pki(
        cluster=Authority(_files(directory, "ca"), name="mendflow-local"),
        etcd=Authority(_files(directory, "etcd-ca"), name="mendflow-local-etcd"),
        etcd_server=_files(directory, "etcd-server"),
        etcd_client=_files(directory, "etcd-client"),
        server=_files(directory, "server"),
        admin=_files(directory, "admin"),
        service_accounts=_files(directory, "service-accounts"),
    )
    if not pki.etcd_server.exists():
        pki.etcd_server.save(pki.etcd.issue_server("etcd"))
    if not pki.etcd_client.exists():
        pki.etcd_client.save(pki.etcd.issue_client("kube-apiserver"))
    if not pki.server.exists():
        pki.server.save(pki.cluster.issue_server("kube-apiserver"))
    if not pki.admin.exists():
        pki.admin.save(pki.cluster.issue_client("admin", groups=("system:masters",)))
    if not pki.service_accounts.exists():
        pki.service_accounts.save(_new_signing_pair())
    return pki


def load_cluster_authority(directory: Path) -> Authority:
    """Return the authority for users of a control plane that may run in another process."""
    return Authority(_files(directory, "ca"), name="mendflow-local")


def _files(directory: Path, name: str) -> StoredPair:
    return StoredPair(certificate=directory / f"{name}.crt", key=directory / f"{name}.key")


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _subject(user: str, *, groups: Sequence[str]) -> x509.Name:
    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, user)])


def _builder(
    key: ec.EllipticCurvePrivateKey, *, subject: x509.Name, issuer: x509.Name
) -> x509.CertificateBuilder:
    now = datetime.now(tz=UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + LIFETIME)
    )


def _new_authority(name: str) -> KeyPair:
    key = _new_key()
    subject = _subject(name, groups=())
    builder = _builder(key, subject=subject, issuer=subject).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    return _to_pair(builder.sign(key, hashes.SHA256()), key=key)


def _new_signing_pair() -> KeyPair:
    key = _new_key()
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return KeyPair(certificate=public, key=_to_pem(key))


def _to_pair(certificate: x509.Certificate, *, key: ec.EllipticCurvePrivateKey) -> KeyPair:
    return KeyPair(
        certificate=certificate.public_bytes(serialization.Encoding.PEM), key=_to_pem(key)
    )


def _to_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
