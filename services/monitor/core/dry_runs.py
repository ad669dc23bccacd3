"""What the dry runs of all steps come to, in brief.

Each step holds what was found of its own change; this is for whoever looks at the workflow
alone.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from shared.api.results import DryRunResults
from shared.api.workflow_status import ValidationResults, WorkflowStatus

_MAX_MESSAGE: Final = 256


def with_dry_runs(status: WorkflowStatus) -> WorkflowStatus:
    """Return the status with what its steps found; as it is while none of them has said."""
    found = {s.name: s.dry_run_results for s in status.steps if s.dry_run_results is not None}
    if not found:
        return status
    tried = {name: results for name, results in found.items() if results.performed}
    in_brief = msgspec.structs.replace(
        status.validation_results or ValidationResults(),
        dry_run_performed=bool(tried),
        dry_run_results=_in_brief(tried)[:_MAX_MESSAGE],
    )
    return msgspec.structs.replace(status, validation_results=in_brief)


def _in_brief(tried: Mapping[str, DryRunResults]) -> str:
    if not tried:
        return "there was nothing to try"
    refused = {name: results for name, results in tried.items() if not results.success}
    passed = f"{len(tried) - len(refused)} of {len(tried)} changes passed"
    reasons = [f"step {name}: {', '.join(results.errors)}" for name, results in refused.items()]
    return "; ".join([passed, *reasons])
