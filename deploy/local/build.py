"""The programs of the control plane: found, or built from pinned sources and cached.

Builds run one after the other: each of them keeps every core busy by itself. A program that
`KUBEBUILDER_ASSETS` offers is taken from there, as other tools of the trade do.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.cache import Progress, cache_dir, ensure_entry, product_key
from deploy.local.errors import BuildError, tail
from deploy.local.toolchain import build_environment, ensure_go
from deploy.local.versions import ETCD, KUBERNETES, KWOK, NATS_CLI, Product

REPORT_EVERY_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where the programs of one control plane are."""

    etcd: Path
    kube_apiserver: Path
    kube_controller_manager: Path
    kube_scheduler: Path
    kwok: Path


def report_to_stderr(message: str) -> None:
    """Write one line of progress, at once, so that it also shows in a pipe."""
    sys.stderr.write(f"[local cluster] {message}\n")
    sys.stderr.flush()


def ensure_binaries(progress: Progress = report_to_stderr) -> Binaries:
    """Return all programs of the control plane, building those that are nowhere yet.

    Raises:
        BuildError: A build failed; the message holds the end of its log.
    """
    assets = offered_programs(os.environ)
    _announce(_missing(assets), progress=progress)

    def locate(product: Product, program: str) -> Path:
        return assets.get(program) or ensure_product(product, progress=progress) / program

    return Binaries(
        etcd=locate(ETCD, "etcd"),
        kwok=locate(KWOK, "kwok"),
        kube_apiserver=locate(KUBERNETES, "kube-apiserver"),
        kube_controller_manager=locate(KUBERNETES, "kube-controller-manager"),
        kube_scheduler=locate(KUBERNETES, "kube-scheduler"),
    )


def ensure_nats_cli(progress: Progress = report_to_stderr) -> Path:
    """Return the `nats` command, for people who want to look into the streams."""
    return ensure_product(NATS_CLI, progress=progress) / "nats"


def offered_programs(environ: Mapping[str, str]) -> dict[str, Path]:
    """Return the programs of the control plane that `KUBEBUILDER_ASSETS` holds, by name."""
    assets = environ.get("KUBEBUILDER_ASSETS")
    if not assets:
        return {}
    names = (*ETCD.programs, *KUBERNETES.programs)
    places = {name: Path(assets).expanduser().absolute() / name for name in names}
    return {name: place for name, place in places.items() if place.is_file()}


def ensure_product(product: Product, *, progress: Progress) -> Path:
    """Return the directory that holds the programs of one product, built when missing."""

    def build(target: Path) -> None:
        _build(product, target=target, progress=progress)

    return ensure_entry(place_of(product), make=build, progress=progress)


def place_of(product: Product) -> Path:
    """Return where the product is, or will be once it is built."""
    return cache_dir() / "bin" / product_key(product)


def _missing(assets: Mapping[str, Path]) -> tuple[Product, ...]:
    wanted = (
        product
        for product in (ETCD, KWOK, KUBERNETES)
        if any(program not in assets for program in product.programs)
    )
    return tuple(product for product in wanted if not place_of(product).exists())


def _announce(missing: Sequence[Product], *, progress: Progress) -> None:
    if not missing:
        return
    names = ", ".join(f"{product.name} {product.version}" for product in missing)
    minutes = round(sum(product.cold_s for product in missing) / 60) or 1
    progress(
        f"to be built once, into {cache_dir()}: {names}. "
        f"On two cores that takes about {minutes} min, less on more cores."
    )


def build_command(product: Product, *, go: Path, output: Path) -> tuple[str, ...]:
    """Return the command that builds a product: small, without local paths, versioned."""
    symbols = [f"-X {name}={value}" for name, value in product.version_symbols]
    link_flags = " ".join(["-s", "-w", *symbols])
    flags = ("-trimpath", "-buildvcs=false", f"-ldflags={link_flags}", f"-o={output}")
    return (str(go), "build", *flags, product.package)


def _build(product: Product, *, target: Path, progress: Progress) -> None:
    go = ensure_go(progress)
    first, *others = product.programs
    log = cache_dir() / f"build-{product.name}.log"
    command = build_command(product, go=go, output=target / first)
    took_s = _run_reporting(command, product=product, log=log, progress=progress)
    for name in others:
        (target / name).symlink_to(first)
    progress(f"built {product.name} {product.version} in {took_s:.0f} s")


def _run_reporting(
    command: Sequence[str], *, product: Product, log: Path, progress: Progress
) -> float:
    """Run the build; say every few seconds that it is alive. Returns the seconds it took."""
    progress(f"building {product.name} {product.version} (about {product.cold_s} s on two cores)")
    started = time.monotonic()
    with (
        log.open("w") as output,
        subprocess.Popen(  # noqa: S603 - our own command on our own module
            command,
            cwd=product.source,
            env=build_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as build,
    ):
        try:
            code = _wait(build, product=product, started=started, progress=progress)
        except BaseException:
            build.kill()
            raise
    if code != 0:
        raise BuildError(_describe_failure(product, log=log))
    return time.monotonic() - started


def _wait(
    build: subprocess.Popen[bytes], *, product: Product, started: float, progress: Progress
) -> int:
    while True:
        try:
            return build.wait(REPORT_EVERY_S)
        except subprocess.TimeoutExpired:
            elapsed_s = time.monotonic() - started
            progress(f"still building {product.name} {product.version}: {elapsed_s:.0f} s so far")


def _describe_failure(product: Product, *, log: Path) -> str:
    return (
        f"{product.name} {product.version} could not be built; the end of {log}:\n\n{tail(log)}\n\n"
        "What to do: see that `go env GOPROXY` can be reached and that the disk is not full, then "
        "try again; or let KUBEBUILDER_ASSETS name a directory with etcd and kube-apiserver."
    )
