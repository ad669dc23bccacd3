"""Files that a tool writes into the tree: written again, or found stale."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

_WIDTH: Final = 100


def manifest(objects: Sequence[Mapping[str, Any]]) -> str:
    """Return objects as the documents of a YAML manifest."""
    return yaml.dump_all(objects, Dumper=_Dumper, sort_keys=False, width=_WIDTH)


class Folded(str):
    """A text that is written as a block, over as many lines as it takes."""

    __slots__ = ()


def main(about: str, target: Path, wanted: Mapping[str, str]) -> int:
    """Write the files that differ, or with `--check` only name them.

    Args:
        about: what the tool does, for its help.
        target: where the files are.
        wanted: the text of every file by its name.

    Returns the exit code.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--check", action="store_true", help="fail when a file is stale")
    check = parser.parse_args().check
    stale = [name for name, text in wanted.items() if _differs(target / name, text)]
    if check and stale:
        sys.stderr.write(f"stale: {', '.join(stale)}; run make generate\n")
        return 1
    for name in stale:
        (target / name).write_text(wanted[name])
    return 0


def _differs(path: Path, text: str) -> bool:
    return not path.exists() or path.read_text() != text


class _Dumper(yaml.SafeDumper):
    """Writes no anchors: equal parts are written out."""

    def ignore_aliases(self, data: Any) -> bool:
        """Treat nothing as an alias."""
        del data
        return True


_Dumper.add_representer(
    Folded,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style=">"),
)
