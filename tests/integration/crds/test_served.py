"""Our kinds as a real API server serves them: explained, defaulted, and strict at the door."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest
from msgspec.structs import fields

from shared.api.groups import KUBERNETES_EXECUTION, WORKFLOW_EXECUTION, Kind
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import AdaptiveOrchestration, ExecutionStrategy
from shared.kube.apply import to_json
from tests.support.kubectl import Kubectl, Object
from tests.support.namespaces import empty_namespace
from tests.support.workflows import diamond, notify, scale, workflow

if TYPE_CHECKING:
    from deploy.local.cluster import LocalCluster

KINDS: Final = (WORKFLOW_EXECUTION, KUBERNETES_EXECUTION)
STEPS: Final = "spec.workflowDefinition.steps"
DEPENDENCIES: Final = "spec.workflowDefinition.dependencies"
STRATEGY_FIELDS: Final = {each.encode_name for each in fields(ExecutionStrategy)}
ADAPTIVE_FIELDS: Final = {each.encode_name for each in fields(AdaptiveOrchestration)}


@pytest.fixture(scope="module")
def kubectl(cluster: "LocalCluster") -> Kubectl:
    """Kubectl in a namespace of this module."""
    made = empty_namespace(cluster, "kinds as served")
    # It remembers which kinds a server has, and forgets that for `get` but not for `explain`.
    made.ok("get", "wfe,kex")
    return made


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_the_server_describes_every_field(kubectl: Kubectl, kind: Kind) -> None:
    raw = kubectl.ok("get", "--raw", f"/openapi/v3/apis/{kind.group}/{kind.version}")
    schemas = json.loads(raw)["components"]["schemas"]
    (ours,) = (schema for name, schema in schemas.items() if name.endswith(f".{kind.kind}"))

    undescribed = list(_undescribed(ours, ""))

    assert undescribed == []
    assert len(list(_paths(ours["properties"]["spec"], ""))) > 40


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("wfe.spec.workflowDefinition.steps", ["dependsOn", "Steps that must be verified before"]),
        ("wfe.spec.control", ["pause, resume, cancel", "ENUM"]),
        ("wfe.status.tokens", ["Ledger of steps in flight"]),
        ("kex.spec.parameters.scaleDeployment", ["replicas", "Replicas to end up with"]),
        ("kex.status.rollbackInformation", ["rollbackAction", "Action that restores"]),
    ],
)
def test_kubectl_explains(kubectl: Kubectl, path: str, expected: list[str]) -> None:
    told = kubectl.ok("explain", path)

    for words in expected:
        assert words in " ".join(told.split())


def test_kubectl_explains_the_whole_tree_of_a_step(kubectl: Kubectl) -> None:
    tree = kubectl.ok("explain", f"wfe.{STEPS}", "--recursive")

    for field in ("dependsOn", "retryPolicy", "maxRetries", "updateImage", "newImage", "rollback"):
        assert field in tree


@pytest.mark.parametrize(
    ("short", "resource"),
    [("wfe", "workflowexecutions"), ("kex", "kubernetesexecutions")],
)
def test_short_names_and_columns(kubectl: Kubectl, short: str, resource: str) -> None:
    columns = {
        "wfe": "NAME PHASE DONE STEPS RUNNING APPROVAL ROLLBACK AGE REASON",
        "kex": "NAME WORKFLOW STEP TRY KIND ACTION PHASE AGE",
    }
    wide = {"wfe": "PROGRESS PLAN MESSAGE", "kex": "EXECUTOR MESSAGE"}
    if short == "wfe":
        kubectl.apply(workflow("columns", diamond()))
    else:
        kubectl.apply(_execution("columns"))

    assert _heading(kubectl.ok("get", short)) == columns[short]
    assert _heading(kubectl.ok("get", short, "-o", "wide")) == f"{columns[short]} {wide[short]}"
    assert kubectl.ok("get", resource, "-o", "name") == kubectl.ok("get", short, "-o", "name")
    assert "columns" in kubectl.ok("get", "mendflow")


def test_defaults_of_the_server_are_those_of_the_structs(kubectl: Kubectl) -> None:
    steps = [
        notify("a")
        | {
            "retryPolicy": {},
            "preConditions": [{"type": "ready", "description": "is it"}],
            "rollback": {"action": "notify_only", "parameters": {}},
        }
    ]
    body = workflow("defaults", steps)
    del body["spec"]["rollbackStrategy"]
    body["spec"]["adaptiveOrchestration"] = {}
    body["spec"]["executionStrategy"] = {"safetyChecks": [{"type": "rbac"}]}
    kubectl.ok("create", "-f", "-", stdin=json.dumps(body))

    served = kubectl.get("wfe", "defaults")["spec"]

    ours = to_json(msgspec.convert(body, WorkflowExecution).spec)
    assert _without_empty_texts(served) == _without_empty_texts(ours)


BAD: Final[dict[str, tuple[Object, str]]] = {
    "unknown in dependencies": (
        {"dependencies": {"a": ["ghost"]}},
        f"{DEPENDENCIES}: Invalid value",
    ),
    "dependencies of an unknown step": ({"dependencies": {"ghost": ["a"]}}, DEPENDENCIES),
    "itself in dependencies": ({"dependencies": {"a": ["a"]}}, "a step cannot depend on itself"),
    "101 steps": ({"steps": [notify(f"s{n}") for n in range(101)]}, "must have at most 100 items"),
    "21 parents": (
        {
            "steps": [
                *(notify(f"s{n}") for n in range(21)),
                notify("z", *(f"s{n}" for n in range(21))),
            ]
        },
        "dependsOn: Too many",
    ),
    "long name": ({"steps": [notify("n" * 41)]}, f"{STEPS}[0].name: Too long"),
    "negative replicas": ({"steps": [scale("a", "web", -1)]}, "scaleDeployment.replicas"),
    "six retries": (
        {"steps": [notify("a") | {"retryPolicy": {"maxRetries": 6}}]},
        f"{STEPS}[0].retryPolicy.maxRetries",
    ),
    "no duration": ({"steps": [notify("a") | {"timeout": "soon"}]}, f"{STEPS}[0].timeout"),
    "unknown drift": ({"steps": [notify("a") | {"onDrift": "panic"}]}, f"{STEPS}[0].onDrift"),
    "two blocks of parameters": (
        {
            "steps": [
                {
                    "name": "a",
                    "action": "notify_only",
                    "parameters": {
                        "notifyOnly": {"message": "x"},
                        "restartDeployment": {"deployment": "web"},
                    },
                }
            ]
        },
        f"{STEPS}[0].parameters: Invalid value",
    ),
    "two blocks for the undo": (
        {
            "steps": [
                notify("a")
                | {
                    "rollback": {
                        "action": "notify_only",
                        "parameters": {
                            "notifyOnly": {"message": "x"},
                            "restartDeployment": {"deployment": "web"},
                        },
                    }
                }
            ]
        },
        f"{STEPS}[0].rollback.parameters: Invalid value",
    ),
    "misspelt field": ({"steps": [notify("a") | {"dependOn": ["b"]}]}, "dependOn"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_definition_is_refused_with_its_field(kubectl: Kubectl, case: str) -> None:
    definition, expected = BAD[case]
    body = workflow("bad", [notify("a")])
    body["spec"]["workflowDefinition"] |= definition

    done = kubectl.run("create", "-f", "-", stdin=json.dumps(body))

    assert done.returncode != 0
    assert expected in done.stderr


def test_a_step_to_insert_says_what_it_does(kubectl: Kubectl) -> None:
    body = workflow("inserts", [notify("a")])
    insert = [{"step": {"name": "b"}}]
    body["spec"]["adaptiveOrchestration"] = {
        "dynamicStepAdjustment": True,
        "adjustments": [{"name": "more", "insert": insert}],
    }

    done = kubectl.run("create", "-f", "-", stdin=json.dumps(body))

    assert done.returncode != 0
    assert "adjustments[0].insert[0].step" in done.stderr
    assert "action is required: say what the step does" in done.stderr


FROZEN: Final[dict[str, Any]] = {
    "workflowDefinition": {"steps": [notify("other")]},
    "rollbackStrategy": {"type": "Manual"},
    "remediationRequestRef": {"name": "other"},
    "dynamicStepAdjustment": True,
    "conditionOverrides": {"notify_only": {}},
    "deadline": "9m",
    "approvalRequired": True,
    "dryRunFirst": True,
    "mode": "sequential",
    "maxRetries": 1,
    "onInFlight": "cancel",
    "safetyChecks": [{"type": "rbac"}],
}


@pytest.mark.parametrize("field", FROZEN)
def test_what_was_asked_for_cannot_change(kubectl: Kubectl, field: str) -> None:
    change: Object = {field: FROZEN[field]}
    if field in STRATEGY_FIELDS:
        change = {"executionStrategy": change}
    if field in ADAPTIVE_FIELDS:
        change = {"adaptiveOrchestration": change}
    _make_sure_of(kubectl, "frozen")

    done = kubectl.run("patch", "wfe", "frozen", "--type=merge", "-p", json.dumps({"spec": change}))

    assert done.returncode != 0
    assert f"{field} cannot change after creation" in done.stderr


@pytest.mark.parametrize(
    "change",
    [
        {"control": "pause"},
        {"control": "cancel"},
        {"control": None},
        {"executionStrategy": {"maxParallelSteps": 2}},
        {"executionStrategy": {"maxParallelSteps": None}},
    ],
    ids=json.dumps,
)
def test_what_controls_a_workflow_can_change(kubectl: Kubectl, change: Object) -> None:
    _make_sure_of(kubectl, "controlled")

    kubectl.ok("patch", "wfe", "controlled", "--type=merge", "-p", json.dumps({"spec": change}))


def test_a_rollback_says_how_far_and_no_other_verb_does(kubectl: Kubectl) -> None:
    def patch(name: str, change: Object) -> str:
        body = json.dumps({"spec": change})
        return kubectl.run("patch", "wfe", name, "--type=merge", "-p", body).stderr

    _make_sure_of(kubectl, "back")
    refusal = "rollbackTo needs control: rollback; set it to null together with any other verb"

    assert refusal in patch("back", {"rollbackTo": "a"})
    assert refusal in patch("back", {"control": "cancel", "rollbackTo": "a"})
    assert patch("back", {"control": "rollback", "rollbackTo": "a"}) == ""
    assert patch("back", {"rollbackTo": "b"}) == ""
    assert "spec.rollbackTo" in patch("back", {"rollbackTo": "Not a Name"})
    assert refusal in patch("back", {"control": "resume"})
    assert patch("back", {"control": None, "rollbackTo": None}) == ""


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("executionStrategy.maxParallelSteps", 0),
        ("executionStrategy.maxParallelSteps", -2),
        ("executionStrategy.maxParallelSteps", "five"),
        ("executionStrategy.approvalTimeout", "5 minutes"),
        ("executionStrategy.onInFlight", "maybe"),
        ("deadline", "5 minutes"),
        ("control", "explode"),
    ],
)
def test_row_31_what_makes_no_sense_is_refused_with_its_field(
    kubectl: Kubectl, path: str, value: object
) -> None:
    outer, _, inner = path.rpartition(".")
    change = {outer: {inner: value}} if outer else {inner: value}
    body = workflow("senseless", [notify("a")])
    body["spec"] |= change
    _make_sure_of(kubectl, "sensible")
    before = kubectl.get("wfe", "sensible")

    made = kubectl.run("create", "-f", "-", stdin=json.dumps(body))
    changed = kubectl.run(
        "patch", "wfe", "sensible", "--type=merge", "-p", json.dumps({"spec": change})
    )

    for done in (made, changed):
        assert done.returncode != 0
        assert f"spec.{path}: " in done.stderr
    assert kubectl.get("wfe", "sensible") == before


def test_an_execution_never_changes(kubectl: Kubectl) -> None:
    kubectl.apply(_execution("fixed"))

    done = kubectl.run("patch", "kex", "fixed", "--type=merge", "-p", '{"spec":{"attempt":2}}')

    assert done.returncode != 0
    assert "an execution never changes" in done.stderr


@pytest.mark.parametrize("kind", ["wfe", "kex"])
def test_status_is_written_beside_the_spec_only(kubectl: Kubectl, kind: str) -> None:
    name = f"sub-{kind}"
    kubectl.apply(workflow(name, [notify("a")]) if kind == "wfe" else _execution(name))
    spec = kubectl.get(kind, name)["spec"]
    patch = ("patch", kind, name, "--type=merge", "-p")

    kubectl.ok(*patch, '{"status":{"message":"from outside"}}')
    assert "message" not in kubectl.get(kind, name).get("status", {})

    both = {"status": {"message": "by its writer"}, "spec": {"control": "pause", "attempt": 7}}
    kubectl.ok(*patch, json.dumps(both), "--subresource=status")
    live = kubectl.get(kind, name)
    assert live["status"]["message"] == "by its writer"
    assert live["spec"] == spec


def _execution(name: str) -> Object:
    return {
        "apiVersion": KUBERNETES_EXECUTION.api_version,
        "kind": KUBERNETES_EXECUTION.kind,
        "metadata": {"name": name},
        "spec": {
            "workflowExecutionRef": {"name": "none"},
            "stepName": "a",
            "stepNumber": 1,
            "action": "notify_only",
            "parameters": {"notifyOnly": {"message": "x"}},
            "attempt": 1,
            "kind": "forward",
            "fence": 1,
            "specHash": "0",
        },
    }


def _heading(table: str) -> str:
    return " ".join(table.splitlines()[0].split())


def _make_sure_of(kubectl: Kubectl, name: str) -> None:
    kubectl.apply(workflow(name, [notify("a")]))


def _undescribed(schema: Object, path: str) -> Iterator[str]:
    for name, field in schema.get("properties", {}).items():
        if not field.get("description"):
            yield f"{path}.{name}"
        yield from _undescribed(field, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from _undescribed(schema[key], f"{path}[]")


def _paths(schema: Object, path: str) -> Iterator[str]:
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from _paths(field, f"{path}.{name}")
    if isinstance(schema.get("items"), dict):
        yield from _paths(schema["items"], f"{path}[]")


def _without_empty_texts(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: _without_empty_texts(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in ("", {}, [])}
    if isinstance(value, list):
        return [_without_empty_texts(item) for item in value]
    return value
