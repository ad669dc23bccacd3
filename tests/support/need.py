"""What a test needs beyond Python: skipped without it on a desk, failed without it in CI.

So green in continuous integration cannot mean that nothing ran.
"""

import os
from collections.abc import Mapping
from typing import NoReturn

import pytest


def in_ci(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether nothing may be skipped."""
    return environ.get("CI", "").lower() in {"1", "true", "yes"}


def missing(what: str, *, instead: str) -> NoReturn:
    """Skip the running test, or fail it in CI, with what to do about it."""
    message = f"{what} is missing; {instead}"
    if in_ci():
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def control_plane() -> None:
    """Require the programs of the local control plane, without building them for minutes."""
    from deploy.local.build import offered_programs, place_of
    from deploy.local.versions import ETCD, KUBERNETES, KWOK

    offered = offered_programs(os.environ)
    for product in (ETCD, KUBERNETES, KWOK):
        if all(program in offered for program in product.programs) or place_of(product).exists():
            continue
        missing(f"{product.name} {product.version}", instead="`make setup` builds it once")
