"""What services ask of policies about one step: a port, filled in by `shared.worker.checking`."""

from typing import Literal, Protocol

from shared.api.parameters import Parameters
from shared.api.results import ConditionResult
from shared.api.workflow import WorkflowExecution
from shared.api.workflow_spec import Step
from shared.workflow.safety import SafetyAnswer

Stage = Literal["precondition", "postcondition"]


class Checker(Protocol):
    """Policies, on the state of the cluster as it is."""

    @property
    def revision(self) -> str:
        """Return the revision of the policies in force now."""
        ...

    async def check(
        self, workflow: WorkflowExecution, step: Step, stage: Stage, *, fresh: bool
    ) -> list[ConditionResult]:
        """Evaluate the conditions of a step once, in the order of their list.

        After the first required one that does not hold, later ones are not evaluated. What
        cannot be evaluated does not hold, with the reason in its message.

        Args:
            workflow: whose step it is.
            step: as it is defined.
            stage: which of its conditions.
            fresh: whether nothing that was read before may be used again.
        """
        ...

    async def unusable(self, step: Step, stage: Stage) -> dict[str, str]:
        """Return why policies of a step cannot be used, by type of condition; empty if all can.

        Raises:
            TransientError: nobody can tell now.
        """
        ...

    async def judge(
        self,
        workflow: WorkflowExecution,
        step: str,
        *,
        action: str,
        parameters: Parameters,
        rollback: bool,
    ) -> SafetyAnswer:
        """Return whether the safety policies allow a change on the way of a workflow.

        Args:
            workflow: on whose behalf.
            step: for which step.
            action: what is to be done.
            parameters: to what, without expressions.
            rollback: whether it undoes something.
        """
        ...
