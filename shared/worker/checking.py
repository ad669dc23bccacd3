"""Evaluates what guards a step: finds the policies, looks at the cluster, asks the engine.

Whatever stands in the way of an answer is an answer: it does not hold, and says why. One
version of the policies serves one look at a step, whatever is loaded meanwhile.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

import structlog

from shared.api.parameters import Parameters
from shared.api.results import ConditionResult
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Step, StepCondition
from shared.contracts.recorded import SAFETY, RecordedVerdict
from shared.errors import MendflowError
from shared.expressions.errors import ExpressionError
from shared.expressions.resolving import resolved
from shared.policy.library import Library, LivePolicies
from shared.policy.library import Stage as LibraryStage
from shared.policy.port import Policy, PolicyEngine, Verdict
from shared.telemetry.policies import PolicyMetrics
from shared.worker.checks import Stage
from shared.worker.overrides import requirement
from shared.worker.recording import LookRecorder, verdict_on
from shared.worker.verdicts import (
    UNMEASURED,
    Found,
    against,
    asks_what_nothing_measures,
    judged,
    result_of,
    skipped,
    unsafe,
)
from shared.workflow.safety import SafetyAnswer


class Inputs(Protocol):
    """What policies get to see of the cluster."""

    async def condition_input(
        self, workflow: WorkflowExecution, step: Step, *, parameters: Parameters, fresh: bool
    ) -> dict[str, Any]:
        """Return the input of a step's conditions."""
        ...

    async def safety_input(
        self,
        workflow: WorkflowExecution,
        *,
        action: str,
        parameters: Parameters,
        step_name: str,
        rollback: bool,
    ) -> dict[str, Any]:
        """Return the input of the safety policies."""
        ...


class PolicyChecker:
    """Answers for steps and changes, by the policies in force."""

    def __init__(
        self,
        *,
        engine: PolicyEngine,
        policies: LivePolicies,
        inputs: Inputs,
        metrics: PolicyMetrics,
        with_conditions: bool = True,
        recorder: LookRecorder | None = None,
    ) -> None:
        self._engine = engine
        self._policies = policies
        self._inputs = inputs
        self._metrics = metrics
        self._with_conditions = with_conditions
        self._recorder = recorder
        self._log = structlog.get_logger()

    @property
    def revision(self) -> str:
        """Return the revision of the policies in force now."""
        return self._policies.current.revision

    async def check(
        self, workflow: WorkflowExecution, step: Step, stage: Stage, *, fresh: bool
    ) -> list[ConditionResult]:
        """Evaluate the conditions of a step once, in the order of their list."""
        conditions = step.pre_conditions if stage == "precondition" else step.post_conditions
        if not conditions or not self._with_conditions:
            return []
        library = self._policies.current
        data = await self._seen(workflow, step, fresh=fresh)
        tenant = _tenant(workflow)
        results: list[ConditionResult] = []
        said: list[RecordedVerdict] = []
        for condition in conditions:
            required = requirement(
                workflow, step, condition, is_precondition=stage == "precondition"
            )
            if any(r.required and not r.passed for r in results):
                results.append(skipped(condition, required, library))
                continue
            policy = library.find(LibraryStage(stage), step.action, condition)
            if not required.is_required and asks_what_nothing_measures(policy, data):
                results.append(skipped(condition, required, library, why=UNMEASURED))
                continue
            verdict = await self._evaluated(policy, data, tenant=tenant)
            result = result_of(condition, required, verdict, library)
            results.append(result)
            said.append(verdict_on(condition.type, verdict, rego=condition.rego))
            self._tell(workflow, step, stage, result, verdict)
        self._record(
            workflow, step.name, action=step.action, stage=stage, of=(library, data), said=said
        )
        return results

    async def unusable(self, step: Step, stage: Stage) -> dict[str, str]:
        """Return why policies of a step cannot be used, by type of condition; empty if all can.

        Raises:
            TransientError: nobody can tell now.
        """
        conditions = step.pre_conditions if stage == "precondition" else step.post_conditions
        library = self._policies.current
        # One after the other: a large workflow must not crowd out those that run.
        found = {
            condition.type: await self._defect(step, stage, condition, library)
            for condition in conditions
        }
        return {type_: why for type_, why in found.items() if why}

    async def _defect(
        self, step: Step, stage: Stage, condition: StepCondition, library: Library
    ) -> str:
        policy = library.find(LibraryStage(stage), step.action, condition)
        if isinstance(policy, str):
            return policy
        return "; ".join(await self._engine.defects(policy))

    async def judge(
        self,
        workflow: WorkflowExecution,
        step: str,
        *,
        action: str,
        parameters: Parameters,
        rollback: bool,
    ) -> SafetyAnswer:
        """Return whether every safety policy allows a change; one that does not is enough."""
        library = self._policies.current
        try:
            data = await self._inputs.safety_input(
                workflow, action=action, parameters=parameters, step_name=step, rollback=rollback
            )
        except MendflowError as error:
            unread = f"the target cannot be read: {error}"
            answer = unsafe([unread], library, is_answered=False)
            self._account_for(answer, step, action, [])
            return answer
        tenant = _tenant(workflow)
        verdicts = await asyncio.gather(
            *(self._engine.decide(policy, data, tenant=tenant) for policy in library.safety)
        )
        found = list(zip(library.safety, verdicts, strict=True))
        said = [verdict_on(policy.name, verdict) for policy, verdict in found]
        self._record(workflow, step, action=action, stage=SAFETY, of=(library, data), said=said)
        answer = judged(library, found)
        self._account_for(answer, step, action, found)
        return answer

    def _account_for(
        self, answer: SafetyAnswer, step: str, action: str, found: Sequence[Found]
    ) -> None:
        """Count what safety policies said, and write down what people should see."""
        for policy, verdict in found:
            self._metrics.evaluated(policy.name, verdict.seconds)
        result = answer.result
        if not result.allowed:
            names = [policy.name for policy, _ in against(found)]
            self._metrics.change_denied(names, action, is_answered=answer.is_answered)
            self._log.warning("change denied", step=step, action=action, reasons=result.reasons)
        elif result.notes:
            self._log.warning("change allowed", step=step, action=action, notes=result.notes)

    async def _seen(
        self, workflow: WorkflowExecution, step: Step, *, fresh: bool
    ) -> dict[str, Any] | str:
        try:
            parameters = resolved(workflow, step.parameters)
            return await self._inputs.condition_input(
                workflow, step, parameters=parameters, fresh=fresh
            )
        except (MendflowError, ExpressionError) as error:
            return f"the cluster cannot be looked at: {error}"

    async def _evaluated(
        self, policy: Policy | str, data: dict[str, Any] | str, *, tenant: str
    ) -> Verdict:
        """Return the verdict of a policy; what stands in its place is why there is none."""
        if isinstance(policy, str):
            return Verdict(allowed=False, reasons=(policy,))
        if isinstance(data, str):
            return Verdict(allowed=False, reasons=(data,))
        verdict = await self._engine.decide(policy, data, tenant=tenant)
        self._metrics.evaluated(policy.name, verdict.seconds)
        return verdict

    def _record(
        self,
        workflow: WorkflowExecution,
        step: str,
        *,
        action: str,
        stage: str,
        of: tuple[Library, dict[str, Any] | str],
        said: Sequence[RecordedVerdict],
    ) -> None:
        """Have a look recorded, unless there was nothing to look at, or nobody to ask."""
        library, data = of
        if self._recorder is not None and said and not isinstance(data, str):
            self._recorder.note(
                workflow,
                step,
                action=action,
                stage=stage,
                revision=library.revision,
                data=data,
                verdicts=said,
            )

    def _tell(
        self,
        workflow: WorkflowExecution,
        step: Step,
        stage: Stage,
        result: ConditionResult,
        verdict: Verdict,
    ) -> None:
        """Count an evaluation and write it down: one sample and one line each (4.2)."""
        self._metrics.condition_evaluated(
            stage,
            result.condition_type,
            passed=result.passed,
            required=result.required,
            seconds=verdict.seconds,
        )
        tell = self._log.info if result.passed else self._log.warning
        tell(
            "condition evaluated",
            workflow=workflow.metadata.name,
            namespace=workflow.metadata.namespace,
            step=step.name,
            stage=stage,
            condition=result.condition_type,
            required=result.required,
            passed=result.passed,
            why=result.error_message,
            seconds=round(verdict.seconds, 4),
        )


def _tenant(workflow: WorkflowExecution) -> str:
    return f"{workflow.metadata.namespace}/{workflow.metadata.name}"
