"""What can be wrong with a workflow's definition, as values.

Owns the closed list of reasons (requirements 1.7) and the spelling of paths. Decides
nothing: `validate` and its parts find the defects.
"""

from enum import StrEnum

import msgspec

DEFINITION = "spec.workflowDefinition"


class Reason(StrEnum):
    """Why a definition is refused."""

    EMPTY_STEPS = "EmptySteps"
    DUPLICATE_STEP = "DuplicateStep"
    DUPLICATE_STEP_NUMBER = "DuplicateStepNumber"
    INVALID_NAME = "InvalidName"
    MISSING_ACTION = "MissingAction"
    UNKNOWN_ACTION = "UnknownAction"
    INVALID_PARAMETERS = "InvalidParameters"
    INVALID_DEPENDENCY = "InvalidDependency"
    CIRCULAR_DEPENDENCY = "CircularDependency"
    INVALID_DURATION = "InvalidDuration"
    INVALID_RETRY_POLICY = "InvalidRetryPolicy"
    TOO_MANY_STEPS = "TooManySteps"
    GRAPH_TOO_DEEP = "GraphTooDeep"
    UNSUPPORTED_FIELD = "UnsupportedField"
    INVALID_EXPRESSION = "InvalidExpression"
    INVALID_VARIABLE = "InvalidVariable"
    INVALID_SECONDARY = "InvalidSecondary"
    INVALID_REMEDIATION_REQUEST = "InvalidRemediationRequest"
    PLANNING_TIMEOUT = "PlanningTimeout"
    CONFLICTING_STRATEGY = "ConflictingStrategy"
    DUPLICATE_CONDITION = "DuplicateCondition"
    INVALID_POLICY = "InvalidPolicy"
    UNKNOWN_CONDITION = "UnknownCondition"


class Defect(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that has to change before the workflow can be planned."""

    path: str
    """Where it is, spelt as in the manifest; steps by name, such as `steps[b].dependsOn`."""
    reason: Reason
    message: str
    """What to do about it."""


def entry_path(path: str, key: str) -> str:
    """Return the path of an entry whose key is free text.

    One that holds ": " is left out: it would pass for the reason where errors are split.
    """
    return path if ": " in key else f"{path}[{key}]"


def step_path(name: str, *, field: str = "") -> str:
    """Return the path of a step, or of one of its fields."""
    path = f"{DEFINITION}.steps[{name}]"
    return f"{path}.{field}" if field else path
