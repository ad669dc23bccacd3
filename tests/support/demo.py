"""A demo as it would describe itself while it runs."""

from typing import Final

from cli.demo.place import State

RUNNING: Final = State(
    pid=1,
    kubeconfig="/srv/a folder/admin.kubeconfig",
    kubectl="/bin/kubectl",
    nats_cli="/bin/nats",
    nats_url="nats://127.0.0.1:4222",
    namespace="mendflow-demo",
    context="",
    health_ports={"executor": 1},
    metrics_ports={"executor": 2},
)
