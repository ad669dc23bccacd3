"""Our import names are generic; other distributions could bring packages of the same name."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["services", "shared", "cli", "deploy"])
def test_a_name_means_our_folder(name: str) -> None:
    package = importlib.import_module(name)

    assert package.__file__ is not None
    assert Path(package.__file__) == ROOT / name / "__init__.py"


@pytest.mark.parametrize("name", ["services", "shared"])
def test_importing_one_part_loads_nothing_else(name: str) -> None:
    assert (ROOT / name / "__init__.py").read_text() == ""


@pytest.mark.parametrize("name", ["services", "shared", "cli"])
def test_types_are_offered(name: str) -> None:
    assert (ROOT / name / "py.typed").exists()
