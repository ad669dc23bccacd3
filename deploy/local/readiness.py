"""When a component, and when the whole cluster, is ready; and what is said when it is not."""

import http.client
import json
from collections.abc import Callable
from typing import Final

from deploy.local import flags
from deploy.local.certs import StoredPair
from deploy.local.errors import LocalClusterError, StartError, describe_start_failure
from deploy.local.flags import Layout
from deploy.local.nodes import is_usable, render_node
from deploy.local.probing import Probe, wait_until
from deploy.local.process import Component

READY_WITHIN_S: Final = 60.0
_SERVICE_ACCOUNT: Final = "/api/v1/namespaces/default/serviceaccounts/default"


class Readiness:
    """Asks the components of one cluster how they are."""

    def __init__(self, layout: Layout) -> None:
        """Prepare a client per port."""
        cluster, etcd = layout.pki.cluster.files, layout.pki.etcd.files
        ports = layout.ports
        admin = layout.pki.admin

        def probe(port: int, *, authority: StoredPair, identity: StoredPair) -> Probe:
            return Probe(port, authority=str(authority.certificate), identity=identity)

        self._api = probe(ports.apiserver, authority=cluster, identity=admin)
        store = probe(ports.etcd, authority=etcd, identity=layout.pki.etcd_client)
        controllers = probe(ports.controller_manager, authority=cluster, identity=admin)
        scheduler = probe(ports.scheduler, authority=cluster, identity=admin)
        self._checks: dict[str, Callable[[], bool]] = {
            flags.ETCD: lambda: store.is_ok("/health"),
            flags.APISERVER: lambda: self._api.is_ok("/readyz"),
            flags.CONTROLLER_MANAGER: lambda: controllers.is_ok("/healthz"),
            flags.SCHEDULER: lambda: scheduler.is_ok("/readyz"),
            # That nodes become ready shows that it works.
            flags.KWOK: lambda: True,
        }

    def wait_for(self, component: Component) -> None:
        """Wait until a component is ready.

        Raises:
            StartError: It died, or takes too long.
        """
        self._wait(component, self._checks[component.name], what="was not ready")

    def wait_for_nodes(self, count: int, *, kwok: Component) -> None:
        """Wait until pods can be scheduled to that many nodes."""
        self._wait(kwok, lambda: self._count_usable() >= count, what="did not make nodes ready")

    def wait_for_service_account(self, controller_manager: Component) -> None:
        """Wait for the identity without which no pod can be created in a namespace."""
        self._wait(
            controller_manager,
            lambda: self._api.is_ok(_SERVICE_ACCOUNT),
            what="did not create the default ServiceAccount",
        )

    def create_nodes(self, count: int) -> None:
        """Create the fake nodes; those of an earlier start are taken as they are."""
        for index in range(count):
            status, content = self._api.request("POST", "/api/v1/nodes", render_node(index))
            if status not in {http.client.CREATED, http.client.CONFLICT}:
                reason = json.loads(content).get("message", content)
                message = f"node {index} could not be created: {reason}"
                raise LocalClusterError(message)

    def _count_usable(self) -> int:
        nodes = self._api.fetch("/api/v1/nodes") or {"items": []}
        return sum(map(is_usable, nodes["items"]))

    def _wait(self, component: Component, condition: Callable[[], bool], *, what: str) -> None:
        """Wait for the condition, but no longer than the component lives."""
        wait_until(lambda: not component.is_running() or condition(), within_s=READY_WITHIN_S)
        if not component.is_running():
            what = f"ended with code {component.exit_code} while starting"
        elif condition():
            return
        else:
            what = f"{what} within {READY_WITHIN_S:.0f} s"
        raise StartError(
            describe_start_failure(component=component.name, what=what, log=component.log)
        )
