"""Whatever lies in examples/ is what a person may apply as it is."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.namespaces import empty_namespace
from tests.support.servers import ROOT

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

EXAMPLES: Final = sorted((ROOT / "examples").glob("**/*.yaml"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_api_server_accepts_an_example(cluster: "LocalCluster", example: Path) -> None:
    kubectl = empty_namespace(cluster, f"example-{example.stem}")

    done = kubectl.run("apply", "--dry-run=server", "--validate=strict", "-f", str(example))

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "server dry run" in done.stdout


def test_there_are_examples() -> None:
    names = {example.stem for example in EXAMPLES}

    assert {"targets", "diamond", "rollback", "ten-independent"} <= names
