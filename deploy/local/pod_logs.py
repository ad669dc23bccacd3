"""What the containers of fake pods have written: by their name, a file beside the stages.

A container called like one of these files wrote what is in it, every other one what is in
`default.log`. The files are as a container runtime writes them: time, stream, F, text.
"""

import json
from pathlib import Path
from typing import Final

LOGS: Final = Path(__file__).parent / "kwok" / "logs"
_DEFAULT: Final = "default"


def render_pod_logs() -> str:
    """Return the configuration of kwok that makes it answer for logs, as JSON, which is YAML."""
    entries = [_entry(path) for path in sorted(LOGS.glob("*.log"))]
    return json.dumps(
        {
            "apiVersion": "kwok.x-k8s.io/v1alpha1",
            "kind": "ClusterLogs",
            "metadata": {"name": "logs"},
            "spec": {"logs": entries},
        }
    )


def _entry(path: Path) -> dict[str, object]:
    entry: dict[str, object] = {"logsFile": str(path)}
    return entry if path.stem == _DEFAULT else {**entry, "containers": [path.stem]}
