"""Whatever can be decoded as the parameters of an action gets an answer, by field."""

from typing import Any, Final

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import inspect

from services.planner.core import requests
from services.planner.core.validate import validate
from shared.api.enums import Action
from shared.api.parameters import Parameters
from shared.api.workflow_spec import ExecutionStrategy, Step
from shared.limits import Limits
from shared.policy.inputs.targets import asked
from tests.support.builders import NOW, make_workflow, planned

FIELDS: Final = {field.name: field for field in msgspec.structs.fields(Parameters)}
WRITTEN: Final = (
    *("", "a", "web", "a: b", "a]b", "..", "a/../b", "\0", "\u212a", "${", "${a}", "$${a}"),
    *("{}", "[]", "[1]", "a: 0x_", "a: !!int b", "a: !!bool b", "a: !!float ''", "{1: 2}"),
    *("metadata: a", "metadata: [a]", "metadata: null", "spec: null", f"a: {'1' * 5000}"),
    *("kind: [a]", "kind: ConfigMap", "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}"),
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: b, labels: [a]}}",
    *('[{"op": "add", "path": "/spec"}]', '[{"op": [], "path": {}}]', "ingress: {}"),
    *("YQ==", "500m", "1Gi", "1e999", "PATH", "MENDFLOW_A", "kubernaut.io/a", "default"),
)
"""What people write, and what they had better not."""
TEXTS: Final = st.integers(0, len(WRITTEN) - 1).map(WRITTEN.__getitem__)
LIMITS: Final = Limits()
ASKING: Final = ExecutionStrategy(approval_required=True)


def values(kind: inspect.Type) -> st.SearchStrategy[Any]:
    """Return plain values of a type, and some that are nearly of it."""
    match kind:
        case inspect.Metadata(type=inner):
            return values(inner)
        case inspect.DictType() | inspect.ListType() | inspect.StructType():
            return _nested(kind)
        case inspect.UnionType(types=types):
            return st.one_of(*map(values, types))
        case inspect.StrType(pattern=pattern):
            return TEXTS | (st.from_regex(pattern, fullmatch=True) if pattern else st.text())
        case _:
            return _plain(kind)


def _nested(
    kind: inspect.DictType | inspect.ListType | inspect.StructType,
) -> st.SearchStrategy[Any]:
    if isinstance(kind, inspect.ListType):
        return st.lists(values(kind.item_type), max_size=3)
    if isinstance(kind, inspect.DictType):
        return st.dictionaries(values(kind.key_type), values(kind.value_type), max_size=3)
    required = {each.encode_name: values(each.type) for each in kind.fields if each.required}
    others = {each.encode_name: values(each.type) for each in kind.fields if not each.required}
    return st.fixed_dictionaries(required, optional=others)


def _plain(kind: inspect.Type) -> st.SearchStrategy[Any]:
    if isinstance(kind, inspect.LiteralType):
        return st.sampled_from(kind.values)
    plain = {inspect.IntType: st.integers(-1, 40) | st.integers(), inspect.BoolType: st.booleans()}
    return plain.get(type(kind), st.none())


GIVEN: Final = {action: values(inspect.type_info(FIELDS[action].type)) for action in Action}


@st.composite
def steps(draw: st.DrawFn) -> Step:
    """Draw a step whose parameters can be decoded."""
    action = draw(st.sampled_from(list(Action)))
    drawn = draw(GIVEN[action].map(lambda given: _decoded(action, given)).filter(bool))
    assert drawn is not None
    return Step(name="a", action=action, parameters=drawn)


def _decoded(action: Action, given: object) -> Parameters | None:
    try:
        return msgspec.convert({FIELDS[action].encode_name: given}, Parameters)
    except msgspec.ValidationError:
        return None


@given(steps())
@settings(max_examples=500)
def test_parameters_are_planned_or_refused_by_field(step: Step) -> None:
    workflow = make_workflow([step], strategy=ASKING)

    defects = validate(workflow)

    for defect in defects:
        assert defect.path.startswith("spec.workflowDefinition.steps[a].parameters")
        assert ": " not in defect.path
        assert defect.message
    if not defects:
        ready = planned(workflow)
        question = requests.question(ready, "0" * 64, "", "why", LIMITS, now=NOW)
        (line,) = requests.request_for(ready, "", question, LIMITS).spec.changes
        assert line.startswith(f"1 a: {step.action}")
        if "${" not in repr(step.parameters):
            assert asked(step.action, step.parameters, namespace="default").flat_parameters
