"""Rendering kubeconfig files, one user each, with everything they need inside."""

import base64
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from deploy.local.certs import Authority, KeyPair, write_private

CONTEXT = "mendflow-local"


def render_kubeconfig(*, server: str, authority: bytes, user: str, pair: KeyPair) -> str:
    """Return a kubeconfig with the certificates embedded, so that it can be moved about.

    Args:
        server: The address of the API server.
        authority: The certificate that the server's is checked against, as PEM.
        user: The name shown in the file; the one that counts is in the certificate.
        pair: The user's own certificate and key.
    """
    cluster = {"server": server, "certificate-authority-data": _encode(authority)}
    credentials = {
        "client-certificate-data": _encode(pair.certificate),
        "client-key-data": _encode(pair.key),
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CONTEXT,
        "clusters": [{"name": CONTEXT, "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": user}}],
    }
    return yaml.safe_dump(config, sort_keys=False)


def file_name(user: str, *, groups: Sequence[str] = ()) -> str:
    """Return a file name that tells users, and one user in different groups, apart."""
    readable = re.sub(r"[^A-Za-z0-9._-]", "-", user).lstrip(".-")
    if readable == user and not groups:
        return f"{user}.kubeconfig"
    digest = hashlib.sha256("\0".join((user, *sorted(groups))).encode()).hexdigest()[:8]
    return f"{readable}-{digest}.kubeconfig"


def write_kubeconfig(
    directory: Path, *, authority: Authority, server: str, user: str, groups: Sequence[str] = ()
) -> Path:
    """Issue a certificate for a user and write the kubeconfig that holds it."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    pair = authority.issue_client(user, groups=groups)
    text = render_kubeconfig(server=server, authority=authority.certificate, user=user, pair=pair)
    path = directory / file_name(user, groups=groups)
    write_private(path, text.encode())
    return path


def _encode(content: bytes) -> str:
    return base64.b64encode(content).decode()
