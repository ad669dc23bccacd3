"""What a schema cannot say by itself: CEL rules, list keys and printer columns."""

from typing import Any, Final

from msgspec.structs import fields

from shared.api.parameters import Parameters
from shared.api.pool import CLUSTER_POOL, NAMESPACE_POOL

Schema = dict[str, Any]
Column = dict[str, Any]


def _rule(rule: str, message: str, **more: str) -> dict[str, str]:
    return {"rule": rule, "message": message} | more


_FROZEN: Final = (
    "workflowDefinition",
    "rollbackStrategy",
    "remediationRequestRef",
    "conditionOverrides",
    "deadline",
)
_FROZEN_STRATEGY: Final = (
    "approvalRequired",
    "dryRunFirst",
    "mode",
    "maxRetries",
    "approvalTimeout",
    "onInFlight",
    "safetyChecks",
)
_FROZEN_ADAPTIVE: Final = (
    "optimizationEnabled",
    "learningFromHistory",
    "dynamicStepAdjustment",
)
ADAPTIVE_RULES: Final = [
    _rule(
        "!has(self.adjustments) || size(self.adjustments) == 0 || "
        "(has(self.dynamicStepAdjustment) && self.dynamicStepAdjustment)",
        "adjustments need dynamicStepAdjustment: true",
        fieldPath=".adjustments",
    ),
    _rule(
        "!has(oldSelf.adjustments) || (has(self.adjustments) && "
        "oldSelf.adjustments.all(a, self.adjustments.exists(b, b.name == a.name)))",
        "adjustments may be added, never taken back",
        fieldPath=".adjustments",
    ),
]
DEFINITION_RULES: Final = [
    _rule(
        "self.steps.all(s, self.steps.exists_one(t, t.name == s.name))",
        "step names must be unique",
        fieldPath=".steps",
    ),
    _rule(
        "self.steps.all(s, !has(s.dependsOn) || "
        "s.dependsOn.all(d, self.steps.exists(t, t.name == d)))",
        "dependsOn may only name steps of this workflow",
        fieldPath=".steps",
    ),
    _rule(
        "self.steps.all(s, !has(s.dependsOn) || !(s.name in s.dependsOn))",
        "a step cannot depend on itself",
        fieldPath=".steps",
    ),
    _rule(
        "!has(self.dependencies) || self.dependencies.all(k, self.steps.exists(t, t.name == k))",
        "dependencies may only speak of steps of this workflow",
        fieldPath=".dependencies",
    ),
    _rule(
        "!has(self.dependencies) || self.dependencies.all(k, "
        "self.dependencies[k].all(d, self.steps.exists(t, t.name == d)))",
        "dependencies may only name steps of this workflow",
        fieldPath=".dependencies",
    ),
    _rule(
        "!has(self.dependencies) || self.dependencies.all(k, !(k in self.dependencies[k]))",
        "a step cannot depend on itself",
        fieldPath=".dependencies",
    ),
]
CONTROL_RULES: Final = [
    _rule(
        "!has(self.rollbackTo) || (has(self.control) && self.control == 'rollback')",
        "rollbackTo needs control: rollback; set it to null together with any other verb",
        fieldPath=".rollbackTo",
    ),
]
STEP_RULES: Final = [
    _rule(
        "has(self.action) && size(self.action) > 0",
        "action is required: say what the step does",
    ),
]


PARAMETERS_RULES: Final = [
    _rule(
        f"[{', '.join(f'has(self.{each.encode_name})' for each in fields(Parameters))}]"
        ".filter(given, given).size() <= 1",
        "parameters may be given for one action only, the one of the step",
    ),
]


def unchanged(field: str) -> dict[str, str]:
    """Return the rule that a field stays as it was created."""
    return _rule(
        f"has(self.{field}) == has(oldSelf.{field}) && "
        f"(!has(self.{field}) || self.{field} == oldSelf.{field})",
        f"{field} cannot change after creation; make a new workflow",
    )


def workflow_rules(schema: Schema) -> None:
    """Add the rules of a WorkflowExecution to its schema."""
    spec = schema["properties"]["spec"]
    spec["x-kubernetes-validations"] = [
        *CONTROL_RULES,
        *(unchanged(field) for field in _FROZEN),
    ]
    properties = spec["properties"]
    strategy = properties["executionStrategy"]
    strategy["x-kubernetes-validations"] = [unchanged(field) for field in _FROZEN_STRATEGY]
    strategy["default"] = {}
    properties["rollbackStrategy"]["default"] = {}
    adaptive = properties["adaptiveOrchestration"]
    adaptive["x-kubernetes-validations"] = [
        *ADAPTIVE_RULES,
        *(unchanged(field) for field in _FROZEN_ADAPTIVE),
    ]
    adaptive["default"] = {}
    adjustments = adaptive["properties"]["adjustments"]
    _keyed(adjustments, "name")
    adjustments["items"]["x-kubernetes-validations"] = [
        _rule("self == oldSelf", "an adjustment never changes; add another one")
    ]
    insertion = adjustments["items"]["properties"]["insert"]["items"]
    insertion["properties"]["step"]["x-kubernetes-validations"] = STEP_RULES
    definition = properties["workflowDefinition"]
    definition["x-kubernetes-validations"] = DEFINITION_RULES
    step = definition["properties"]["steps"]["items"]
    step["x-kubernetes-validations"] = STEP_RULES
    for owner in (step, step["properties"]["rollback"]):
        owner["properties"]["parameters"]["x-kubernetes-validations"] = PARAMETERS_RULES
    status = schema["properties"]["status"]["properties"]
    _keyed(status["steps"], "name")
    _keyed(status["conditions"], "type")


def execution_rules(schema: Schema) -> None:
    """Add the rules of a KubernetesExecution to its schema."""
    spec = schema["properties"]["spec"]
    spec["x-kubernetes-validations"] = [
        _rule("self == oldSelf", "an execution never changes; make another attempt")
    ]
    spec["properties"]["parameters"]["x-kubernetes-validations"] = PARAMETERS_RULES
    _keyed(schema["properties"]["status"]["properties"]["conditions"], "type")


def pool_rules(schema: Schema) -> None:
    """Add the rule of a ConcurrencyPool to its schema."""
    schema["x-kubernetes-validations"] = [
        _rule(
            f"self.metadata.name in ['{NAMESPACE_POOL}', '{CLUSTER_POOL}']",
            f"name it '{NAMESPACE_POOL}', for its namespace, or '{CLUSTER_POOL}', in the system "
            "namespace, for all; no other is looked at",
        )
    ]


def _keyed(schema: Schema, key: str) -> None:
    schema |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


def _column(name: str, path: str, type_: str = "string", *, wide: bool = False) -> Column:
    column: Column = {"name": name, "jsonPath": path, "type": type_}
    return column | ({"priority": 1} if wide else {})


WORKFLOW_COLUMNS: Final = [
    _column("Phase", ".status.phase"),
    _column("Done", ".status.completedSteps", "integer"),
    _column("Steps", ".status.totalSteps", "integer"),
    _column("Running", ".status.activeSteps", "integer"),
    _column("Approval", ".status.approval.decision"),
    _column("Rollback", ".status.rollback.phase"),
    _column("Age", ".metadata.creationTimestamp", "date"),
    _column("Reason", ".status.reason"),
    _column("Progress", ".status.progress", "integer", wide=True),
    _column("Plan", ".status.executionPlan.digest", wide=True),
    _column("Message", ".status.message", wide=True),
]
EXECUTION_COLUMNS: Final = [
    _column("Workflow", ".spec.workflowExecutionRef.name"),
    _column("Step", ".spec.stepName"),
    _column("Try", ".spec.attempt", "integer"),
    _column("Kind", ".spec.kind"),
    _column("Action", ".spec.action"),
    _column("Phase", ".status.phase"),
    _column("Age", ".metadata.creationTimestamp", "date"),
    _column("Executor", ".status.claimedBy", wide=True),
    _column("Message", ".status.message", wide=True),
]
POOL_COLUMNS: Final = [
    _column("Limit", ".spec.limit", "integer"),
    _column("In use", ".status.inUse", "integer"),
    _column("Age", ".metadata.creationTimestamp", "date"),
]
