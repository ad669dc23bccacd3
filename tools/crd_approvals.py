"""Rules and printer columns of the kinds that people answer: approvals and notifications."""

from typing import Any, Final

Schema = dict[str, Any]
Column = dict[str, Any]

_KEYED_BY_TYPE: Final = {
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
}
_FINAL: Final = ("decision", "decidedBy", "decidedAt", "planHash", "method")


def _given(field: str, *, on: str = "self") -> str:
    return f"(has({on}.status) && has({on}.status.{field}) && {on}.status.{field} != '')"


def _kept(field: str) -> str:
    return (
        f"has(self.status.{field}) == has(oldSelf.status.{field}) && "
        f"(!has(self.status.{field}) || self.status.{field} == oldSelf.status.{field})"
    )


APPROVAL_RULES: Final = [
    {
        "rule": f"!{_given('decision', on='oldSelf')} || "
        f"(has(self.status) && {' && '.join(_kept(field) for field in _FINAL)})",
        "message": "already decided",
        "messageExpression": "'already decided: ' + oldSelf.status.decision + ' by ' "
        "+ oldSelf.status.decidedBy",
    },
    {
        "rule": f"!{_given('decision')} || {_given('decidedBy')}",
        "message": "a decision needs status.decidedBy: say who decides",
    },
    {
        "rule": f"!{_given('planHash')} || self.status.planHash == self.spec.planHash",
        "message": "approves another plan: status.planHash must be spec.planHash",
        "messageExpression": "'approves another plan: status.planHash is ' "
        "+ self.status.planHash + ', and this request is about ' + self.spec.planHash",
    },
]
"""At the root, where status can be compared with spec."""

_ADDRESSES: Final = ("email", "slack", "teams", "phone", "webhookURL")


def approval_rules(schema: Schema) -> None:
    """Add the rules of an AIApprovalRequest to its schema."""
    schema["x-kubernetes-validations"] = APPROVAL_RULES
    schema["properties"]["spec"]["x-kubernetes-validations"] = [
        {
            "rule": "self == oldSelf",
            "message": "what was asked never changes; a changed plan is asked about anew",
        }
    ]
    schema["properties"]["status"]["properties"]["conditions"] |= _KEYED_BY_TYPE


def notification_rules(schema: Schema) -> None:
    """Add the rules of a NotificationRequest to its schema."""
    spec = schema["properties"]["spec"]["properties"]
    spec["recipients"]["items"]["x-kubernetes-validations"] = [
        {
            "rule": " || ".join(f"(has(self.{each}) && self.{each} != '')" for each in _ADDRESSES),
            "message": f"a recipient needs at least one of {', '.join(_ADDRESSES)}",
        }
    ]
    spec["channels"]["x-kubernetes-list-type"] = "set"
    spec["retryPolicy"]["default"] = {}
    schema["properties"]["status"]["properties"]["conditions"] |= _KEYED_BY_TYPE


def _columns(*rows: tuple[str, str], wide: tuple[tuple[str, str], ...] = ()) -> list[Column]:
    return [_column(*row) for row in rows] + [_column(*row) | {"priority": 1} for row in wide]


def _column(name: str, path: str) -> Column:
    kind = "date" if path == ".metadata.creationTimestamp" else "string"
    return {"name": name, "jsonPath": path, "type": kind}


APPROVAL_COLUMNS: Final = _columns(
    ("Workflow", ".spec.workflowExecutionRef.name"),
    ("Step", ".spec.step"),
    ("Decision", ".status.decision"),
    ("By", ".status.decidedBy"),
    ("Age", ".metadata.creationTimestamp"),
    ("Reason", ".spec.reason"),
    wide=(
        ("Submitter", ".spec.submittedBy"),
        ("Timeout", ".spec.timeout"),
        ("Plan", ".spec.planHash"),
        ("Message", ".status.message"),
    ),
)
NOTIFICATION_COLUMNS: Final = _columns(
    ("Type", ".spec.type"),
    ("Priority", ".spec.priority"),
    ("Phase", ".status.phase"),
    ("Age", ".metadata.creationTimestamp"),
    ("Subject", ".spec.subject"),
    wide=(("Message", ".status.message"),),
)
