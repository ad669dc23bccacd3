"""Identifier types: names for strings that must not be mixed up.

Owns no logic. Derived names live in `shared.workflow.names`.
"""

from typing import Final, NewType

Uid = NewType("Uid", str)
StepName = NewType("StepName", str)
ExecutionName = NewType("ExecutionName", str)
Digest = NewType("Digest", str)
ResourceVersion = NewType("ResourceVersion", str)
CorrelationId = NewType("CorrelationId", str)

FIELD_MANAGER_PREFIX: Final = "mendflow-"
