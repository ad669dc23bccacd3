"""The few requests that starting a cluster takes, and waiting for their answers.

The official client would do, but importing it takes longer than starting etcd.
"""

import http.client
import json
import ssl
import time
from collections.abc import Callable
from typing import Any, Final

from deploy.local.certs import StoredPair
from deploy.local.ports import LOOPBACK

REQUEST_TIMEOUT_S: Final = 5.0
POLL_EVERY_S: Final = 0.05


class Probe:
    """A client of one loopback port with one identity."""

    def __init__(self, port: int, *, authority: str, identity: StoredPair) -> None:
        """Prepare the client; nothing is sent yet."""
        self._port = port
        self._tls = ssl.create_default_context(cafile=authority)
        self._tls.load_cert_chain(identity.certificate, identity.key)

    def request(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Send one request and return the status and the body of the answer."""
        connection = http.client.HTTPSConnection(
            LOOPBACK, self._port, timeout=REQUEST_TIMEOUT_S, context=self._tls
        )
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def is_ok(self, path: str) -> bool:
        """Say whether the path answers 200; not being there yet is an answer as well."""
        try:
            status, _ = self.request("GET", path)
        except (OSError, http.client.HTTPException):
            return False
        return status == http.client.OK

    def fetch(self, path: str) -> Any:
        """Return the JSON at the path, or None when it cannot be had now."""
        try:
            status, content = self.request("GET", path)
        except (OSError, http.client.HTTPException):
            return None
        return json.loads(content) if status == http.client.OK else None


def wait_until(condition: Callable[[], bool], *, within_s: float) -> bool:
    """Poll until the condition holds; returns whether it did so in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_EVERY_S)
    return True
