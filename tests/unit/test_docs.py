"""The YAML in the documentation is what a person may write: no field is made up, and it plans."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
import yaml

from services.planner.core.validate import validate
from shared.api.workflow_spec import WorkflowSpec
from shared.effects import pod_templates
from tests.support.builders import make_workflow

ROOT: Final = Path(__file__).resolve().parents[2]
_BLOCK: Final = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
STEP: Final = {
    "name": "grow",
    "action": "scale_deployment",
    "parameters": {"scaleDeployment": {"deployment": "web", "replicas": 5}},
    "preConditions": [{"type": "cluster_capacity_available", "description": "there is room"}],
}
OF_A_STEP: Final = {"preConditions", "postConditions", "retryPolicy"}
OF_A_SPEC: Final = {"executionStrategy", "workflowDefinition", "adaptiveOrchestration"}


def samples() -> Iterator[Any]:
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for block in _BLOCK.findall(path.read_text()):
            yield pytest.param(yaml.safe_load(block), id=f"{path.stem}:{block.split()[0]}")


def spec_of(sample: Any) -> dict[str, Any]:
    """Return the spec of a workflow that a sample is a part of."""
    if isinstance(sample, list):
        return {"workflowDefinition": {"steps": sample}}
    if set(sample) <= OF_A_STEP:
        return {"workflowDefinition": {"steps": [STEP | sample]}}
    given: dict[str, Any] = sample.get("spec", sample)
    assert set(given) <= {*OF_A_SPEC, "conditionOverrides"}, "of what is it a part?"
    return {"workflowDefinition": {"steps": [STEP]}} | given


@pytest.mark.parametrize("sample", list(samples()))
def test_a_sample_is_what_a_person_may_write(sample: Any) -> None:
    if isinstance(sample, dict) and sample.get("kind") == "PodTemplate":
        assert list(pod_templates.problems_of(sample)) == []
    elif isinstance(sample, dict) and "kind" in sample:
        assert sample["kind"] == "Role"
    else:
        spec = spec_of(sample)
        decoded = msgspec.convert(spec, WorkflowSpec)
        assert holds(msgspec.to_builtins(decoded), spec)
        assert validate(msgspec.structs.replace(make_workflow([]), spec=decoded)) == []


def holds(whole: Any, part: Any) -> bool:
    """Return whether plain values hold others: what no field is for would have been lost."""
    match part:
        case dict():
            return all(key in whole and holds(whole[key], each) for key, each in part.items())
        case list():
            return all(holds(each, wanted) for each, wanted in zip(whole, part, strict=True))
        case _:
            return bool(whole == part)
