"""wait_for_condition and rollout_status: look at one object until it is as wanted."""

from services.executor.actions import rollouts
from services.executor.core.changes import Address, Broken, Done, NotYet, Object, Verdict
from shared.api.enums import ErrorType
from shared.api.groups import DEPLOYMENT
from shared.api.parameters import RolloutStatus, WaitForCondition
from shared.api.results import CustomResult, StepResult
from shared.effects.targets import WAITABLE

Waited = WaitForCondition | RolloutStatus


def address(parameters: Waited, namespace: str) -> Address:
    """Return the object to look at; planning refused every other kind."""
    if isinstance(parameters, RolloutStatus):
        return Address(
            kind=DEPLOYMENT,
            name=parameters.deployment,
            namespace=parameters.namespace or namespace,
        )
    target = parameters.target_resource
    return Address(
        kind=WAITABLE[target.kind], name=target.name, namespace=target.namespace or namespace
    )


def judge(parameters: Waited, live: Object | None) -> Verdict:
    """Say whether the object is as wanted; a missing one is waited for."""
    if isinstance(parameters, RolloutStatus):
        return _rolled_out(parameters, live)
    return _has_condition(parameters, live)


def _rolled_out(parameters: RolloutStatus, live: Object | None) -> Verdict:
    if live is None:
        return NotYet(message=f"Deployment {parameters.deployment} does not exist yet")
    done = _done("rollout_status", f"Deployment {parameters.deployment} is rolled out")
    return rollouts.unsettled(live) or done


def _has_condition(parameters: WaitForCondition, live: Object | None) -> Verdict:
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
    return _done("wait_for_condition", f"{kind} {parameters.target_resource.name} is {wanted}")


def _done(action: str, output: str) -> Done:
    told = CustomResult(action_type=action, output=output)
    return Done(result=StepResult(success=True, custom_result=told))
