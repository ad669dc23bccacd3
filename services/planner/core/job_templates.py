"""Whether the Jobs of a workflow can run: their templates, their account, their image.

What only the cluster knows is found out by who can ask it; here it becomes a defect of the field
that asks for it.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from services.planner.core.conditions import possible_steps
from services.planner.core.defects import Defect, Reason, step_path
from shared.api.actions.jobs import ByTemplate
from shared.api.enums import Action
from shared.api.parameters import Custom, Parameters
from shared.api.workflow_spec import Step, WorkflowSpec
from shared.effects import pod_templates
from shared.effects.catalogue import canonical, parameters_of
from shared.effects.job_environment import config_of
from shared.effects.targets import template_of

Templates = Mapping[str, Mapping[str, Any] | str]
"""By name, a PodTemplate of the workflow's namespace, or why there is none to use."""
_NO_TEMPLATES: Final[Templates] = MappingProxyType({})
_SPELLING: Final = {field.name: field.encode_name for field in msgspec.structs.fields(Parameters)}
_LACKING: Final = {
    Action.FAILOVER_DATABASE: "database",
    Action.REPAIR_DATABASE: "database",
    Action.RESET_SERVICE_MESH: "service mesh",
    Action.OPTIMIZE_RESOURCES: "record of usage",
    Action.CLEANUP_STORAGE: "way into a pod's storage",
    Action.BACKUP_DATA: "store of backups",
    Action.COMPACT_STORAGE: "store to compact",
    Action.CREATE_HEAP_DUMP: "way into a pod's memory",
    Action.AUDIT_LOGS: "audit log within reach",
}
"""What actions are about that a plain cluster has not."""


class Jobs(msgspec.Struct, frozen=True, kw_only=True):
    """What the cluster has for the Jobs of a workflow."""

    templates: Templates = _NO_TEMPLATES
    """Those that were looked for; of others, nothing is said."""
    account: str = ""
    """Why no Job can run in the namespace; empty when nothing speaks against it."""
    image: str = ""
    """Why no command can run; empty when one can."""


NO_JOBS: Final = Jobs()


def templates_of(spec: WorkflowSpec) -> list[str]:
    """Return the PodTemplates that steps need, or may come to need, and their undos.

    Of a name that is an expression nobody knows yet what it will be.
    """
    names = {
        template_of(action, asked)
        for step in possible_steps(spec)
        for action, asked in _asked(step)
        if not _by_command(asked)
    }
    return sorted(name for name in names if "${" not in name)


def needs_jobs(spec: WorkflowSpec) -> bool:
    """Return whether a step, or an undo, runs as a Job, or may come to."""
    return any(_asked(step) for step in possible_steps(spec))


def job_defects(step: Step, jobs: Jobs, *, namespace: str) -> Iterator[Defect]:
    """Yield what keeps the Job of a step from running, or the one of its undo."""
    yield from _defects(step, jobs, namespace=namespace, path=step_path(step.name))
    if step.rollback is not None:
        undo = msgspec.structs.replace(
            step, action=step.rollback.action, parameters=step.rollback.parameters, rollback=None
        )
        path = step_path(step.name, field="rollback")
        yield from _defects(undo, jobs, namespace=namespace, path=path)


def _defects(step: Step, jobs: Jobs, *, namespace: str, path: str) -> Iterator[Defect]:
    asked = _of_action(step.action, step.parameters)
    if asked is None:
        return
    action, parameters = asked
    key = f"{path}.parameters.{_SPELLING[str(action)]}"
    if jobs.account:
        yield _defect(f"{path}.action", jobs.account)
    if _by_command(parameters):
        if jobs.image:
            yield _defect(f"{key}.customCommand", jobs.image)
        return
    name = template_of(action, parameters)
    match jobs.templates.get(name):
        case None:
            return
        case str() as why:
            yield _defect(f"{key}.template", f"{why}: {_need(action)}")
        case template:
            for field, problem in pod_templates.problems_of(template, config_of(parameters)):
                message = f"PodTemplate {name} in namespace {namespace}: {field}: {problem}"
                yield _defect(f"{key}.template", message)


def _need(action: Action) -> str:
    lacking = _LACKING.get(action)
    why = f", since a plain cluster has no {lacking} to act on" if lacking else ""
    return f"{action} needs one{why}; create it, or name another one in template"


def _asked(step: Step) -> list[tuple[Action, ByTemplate]]:
    """Return what a step asks of Jobs, and what its undo does."""
    found = [_of_action(step.action, step.parameters)]
    if step.rollback is not None:
        found.append(_of_action(step.rollback.action, step.rollback.parameters))
    return [each for each in found if each is not None]


def _of_action(name: str, given: Parameters) -> tuple[Action, ByTemplate] | None:
    action = canonical(name)
    parameters = parameters_of(action, given) if action else None
    if action is None or not isinstance(parameters, ByTemplate):
        return None
    return action, parameters


def _by_command(parameters: ByTemplate) -> bool:
    return isinstance(parameters, Custom) and not parameters.template


def _defect(path: str, message: str) -> Defect:
    return Defect(path=path, reason=Reason.INVALID_PARAMETERS, message=message)
