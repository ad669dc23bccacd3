"""The pins in Python and those in go.mod are the same."""

import re

import pytest

from deploy.local.toolchain import parse_version
from deploy.local.versions import GO_WHEEL, KUBERNETES, MINIMUM_GO, PRODUCTS, Product

PRODUCT_TABLE = pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.name)


def go_mod(product: Product) -> str:
    return (product.source / "go.mod").read_text()


@PRODUCT_TABLE
def test_go_mod_pins_the_same_version(product: Product) -> None:
    assert f"{product.module} {product.version}" in go_mod(product)


@PRODUCT_TABLE
def test_every_download_is_held_to_a_hash(product: Product) -> None:
    sums = (product.source / "go.sum").read_text()

    assert f"{product.module} {product.version} h1:" in sums


@PRODUCT_TABLE
def test_no_module_needs_a_newer_go_than_the_oldest_we_accept(product: Product) -> None:
    match = re.search(r"^go (\S+)$", go_mod(product), re.MULTILINE)

    assert match is not None
    needed = parse_version(f"go{match[1]}")
    assert needed is not None
    assert needed <= MINIMUM_GO


def test_the_go_wheel_is_new_enough() -> None:
    version = parse_version(f"go{GO_WHEEL.version}")

    assert version is not None
    assert version >= MINIMUM_GO


def test_all_parts_of_kubernetes_are_of_one_release() -> None:
    replaced = re.findall(r"^\tk8s\.io/\S+ => k8s\.io/\S+ (\S+)$", go_mod(KUBERNETES), re.MULTILINE)

    assert set(replaced) == {KUBERNETES.version.replace("v1.", "v0.")}


def test_kubernetes_reports_the_version_it_is_built_from() -> None:
    symbols = dict(KUBERNETES.version_symbols)

    assert symbols["k8s.io/component-base/version.gitVersion"] == KUBERNETES.version
    minor = symbols["k8s.io/component-base/version.gitMinor"]
    assert KUBERNETES.version.split(".")[1] == minor
