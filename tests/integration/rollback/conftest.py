"""The clients and namespaces that the tests of the API client have."""

from tests.integration.kube.conftest import api, connect, kubectl

__all__ = ["api", "connect", "kubectl"]
