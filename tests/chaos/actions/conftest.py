"""A namespace for the sweep, and a client of the API server in it."""

from tests.integration.kube.conftest import api, connect, kubectl

__all__ = ["api", "connect", "kubectl"]
