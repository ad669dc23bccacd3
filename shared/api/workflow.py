"""The WorkflowExecution kind: one graph of steps and its life."""

from typing import Final

import msgspec

from shared.api.enums import TERMINAL_PHASES
from shared.api.groups import WORKFLOW_EXECUTION
from shared.api.meta import ObjectMeta
from shared.api.workflow_spec import WorkflowSpec
from shared.api.workflow_status import WorkflowStatus


class WorkflowExecution(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One graph of remediation steps."""

    api_version: str = WORKFLOW_EXECUTION.api_version
    kind: str = WORKFLOW_EXECUTION.kind
    metadata: ObjectMeta
    spec: WorkflowSpec
    status: WorkflowStatus = WorkflowStatus()

    @property
    def is_terminal(self) -> bool:
        """Return whether nothing more happens by itself."""
        return self.status.phase in TERMINAL_PHASES


SHORT_NAME: Final = "wfe"
