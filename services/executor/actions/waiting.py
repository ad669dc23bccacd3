"""wait_for_condition: look at one object until a condition is true; change nothing."""

from services.executor.core.changes import Address, Broken, Done, NotYet, Object, Verdict
from shared.api.enums import ErrorType
from shared.api.groups import DEPLOYMENT, JOB, POD
from shared.api.parameters import WaitForCondition
from shared.api.results import CustomResult, StepResult

_KINDS = {kind.kind: kind for kind in (DEPLOYMENT, JOB, POD)}


def address(parameters: WaitForCondition, namespace: str) -> Address:
    """Return the object to look at; planning refused every other kind."""
    target = parameters.target_resource
    return Address(
        kind=_KINDS[target.kind], name=target.name, namespace=target.namespace or namespace
    )


def judge(parameters: WaitForCondition, live: Object | None) -> Verdict:
    """Say whether the condition is true; a missing object is waited for."""
    kind = parameters.target_resource.kind
    wanted = parameters.condition.removeprefix(kind)
    if live is None:
        return NotYet(message=f"{kind} {parameters.target_resource.name} does not exist yet")
    conditions = {c["type"]: c for c in live.get("status", {}).get("conditions", [])}
    if (
        kind == "Job"
        and wanted != "Failed"
        and conditions.get("Failed", {}).get("status") == "True"
    ):
        return Broken(error=ErrorType.UNKNOWN_ERROR, message="the Job has failed")
    found = conditions.get(wanted)
    if found is None or found.get("status") != "True":
        state = found.get("status") if found else "not reported"
        return NotYet(message=f"condition {wanted} is {state}")
    output = f"{kind} {parameters.target_resource.name} is {wanted}"
    return Done(
        result=StepResult(
            success=True,
            custom_result=CustomResult(action_type="wait_for_condition", output=output),
        )
    )
