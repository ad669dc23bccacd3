"""Where downloaded and built programs are kept, and how two processes share that place.

Owns the layout below the cache directory. An entry appears whole or not at all: it is made in a
temporary directory beside its place and renamed into it, so a killed build leaves no half entry.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from deploy.local.versions import Product

Progress = Callable[[str], None]
"""Told, in whole sentences, what is going on."""


def cache_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the directory that outlives clusters and working trees."""
    if own := environ.get("MENDFLOW_CACHE"):
        return Path(own).expanduser().absolute()
    # The XDG rules: a relative path in the variable is to be ignored.
    shared = Path(environ.get("XDG_CACHE_HOME", ""))
    return (shared if shared.is_absolute() else Path("~/.cache").expanduser()) / "mendflow"


def product_key(product: Product) -> str:
    """Name the cache entry of a product after everything that its build depends on."""
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum", "main.go"):
        source = product.source / name
        digest.update(f"{name}\n".encode())
        digest.update(source.read_bytes() if source.exists() else b"")
    digest.update(repr((product.package, product.version_symbols)).encode())
    # A home directory may be shared between machines of several kinds.
    digest.update(f"{platform.system()}-{platform.machine()}".encode())
    return f"{product.name}-{product.version}-{digest.hexdigest()[:12]}"


def ensure_entry(place: Path, *, make: Callable[[Path], None], progress: Progress) -> Path:
    """Return `place`, made by `make` in an empty directory first unless it is there already."""
    if place.exists():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with _exclusively(place, progress=progress):
        if not place.exists():
            _make_whole(place, make=make)
    return place


def _make_whole(place: Path, *, make: Callable[[Path], None]) -> None:
    unfinished = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    try:
        make(unfinished)
        unfinished.chmod(0o755)
        unfinished.rename(place)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@contextmanager
def _exclusively(place: Path, *, progress: Progress) -> Iterator[None]:
    """Hold the lock of one entry; the kernel frees it when its holder dies."""
    with (place.parent / f".{place.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"another process is making {place.name}; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
