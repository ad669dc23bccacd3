"""Write docs/actions.md from the catalogue and the parameters of its actions.

`--check` writes nothing and fails when the file is stale.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from shared.api.parameters import Parameters
from shared.effects.catalogue import ALIASES, CATALOGUE, ActionEntry, Family, Reversal
from tools import generated
from tools.crd_schema import schema_of

_TARGET: Final = Path(__file__).parent.parent / "docs" / "actions.md"
_FAMILIES: Final = {
    Family.WORKLOADS: "Workloads",
    Family.PODS: "Pods",
    Family.NODES: "Nodes",
    Family.CONFIG: "Configuration",
    Family.NETWORK: "Network",
    Family.STORAGE: "Storage",
    Family.JOBS: "Jobs",
    Family.READS: "Looking and telling",
}
_UNDO: Final = {
    Reversal.CAPTURED: "restores what was captured before",
    Reversal.NONE: "cannot be undone; `rollback` of the step may say what to do instead",
    Reversal.NEEDLESS: "nothing to undo",
}
_HEAD: Final = """<!-- Generated from the catalogue by `make generate`; do not edit. -->

# Actions

What a step can do. `action` says which, and `parameters` holds one object under the name of the
action in camelCase:

```yaml
- name: more-web
  action: scale_deployment
  parameters:
    scaleDeployment: {deployment: web, replicas: 5}
```

A name may also be written ScaleDeployment or scale-deployment. `namespace` may be left out: a
workflow acts in its own. Each action acts with the rights of its own account, see
[identities.md](identities.md); what was there before a change, and how it comes back, is told
in [rollback.md](rollback.md). What runs as a Job, and how to write one, is told in
[jobs.md](jobs.md).
"""


def rendered() -> str:
    """Return the text of the file."""
    return "\n".join([_HEAD, *(_family(family) for family in Family)]).rstrip() + "\n"


def _family(family: Family) -> str:
    entries = [entry for entry in CATALOGUE.values() if entry.family is family]
    return "\n".join([f"## {_FAMILIES[family]}\n", *(_action(entry) for entry in entries)])


def _action(entry: ActionEntry) -> str:
    fields = {field.name: field for field in msgspec.structs.fields(Parameters)}
    field = fields[str(entry.action)]
    struct = next(t for t in field.type.__args__ if t is not type(None))
    aliases = [alias for alias, action in ALIASES.items() if action is entry.action]
    facts = [f"at most {entry.timeout} by default", f"undo: {_UNDO[entry.reversal]}"]
    if aliases:
        facts.insert(0, f"also {', '.join(f'`{alias}`' for alias in aliases)}")
    summary = (struct.__doc__ or "").strip().partition("\n")[0]
    lines = [f"### `{entry.action}`\n", f"{summary} ({'; '.join(facts)}.)\n"]
    lines += _parameters(field.encode_name, schema_of(struct, defaults=True))
    return "\n".join([*lines, ""])


def _parameters(key: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"| `{key}.` | |"
    yield "|--|--|"
    required = set(schema.get("required", []))
    for name, each in schema["properties"].items():
        if name == "namespace":
            continue
        told = [str(each.get("description", "")).partition("\n")[0]]
        if "enum" in each:
            told.append(f"One of {', '.join(map(str, each['enum']))}.")
        if "default" in each:
            told.append(f"Default {_written(each['default'])}.")
        elif name in required:
            told.append("Required.")
        yield f"| `{name}` | {' '.join(filter(None, told))} |"


def _written(value: object) -> str:
    """Return a value as it stands in a manifest."""
    return str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    sys.exit(generated.main(__doc__ or "", _TARGET.parent, {_TARGET.name: rendered()}))
