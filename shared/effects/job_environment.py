"""What a Job is told, as environment variables: who asks, and the parameters of the action.

Pure. Values go through as they are: Kubernetes reads `$(NAME)` in them as the value of another
variable, unless each dollar is doubled.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from shared.api.actions.jobs import ByTemplate, Custom
from shared.effects.pod_templates import RESERVED

_PARAMETER: Final = f"{RESERVED}PARAM_"
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NOT_GIVEN: Final = frozenset({"template", "config", "custom_command"})
_LOADERS: Final = re.compile(
    r"LD_.*|DYLD_.*|GCONV_PATH|PATH|HOME|ENV|IFS|PS4|SHELLOPTS|BASHOPTS|BASH_(ENV|FUNC_.*)"
    r"|PYTHON.*|PERL5.*|RUBY(OPT|LIB)|NODE_(OPTIONS|PATH)|CLASSPATH|JDK_JAVA_OPTIONS"
    r"|_JAVA_OPTIONS|JAVA_TOOL_OPTIONS"
)
"""Variables by which loaders, shells and interpreters are told what to run."""


def parameters_of(parameters: ByTemplate, *, namespace: str) -> dict[str, str]:
    """Return the parameters of an action as environment variables.

    Args:
        parameters: without expressions.
        namespace: the workflow's own, where the parameters name none.
    """
    values = {
        field.name: getattr(parameters, field.name)
        for field in msgspec.structs.fields(parameters)
        if field.name not in _NOT_GIVEN
    }
    values["namespace"] = values["namespace"] or namespace
    own = {f"{_PARAMETER}{name.upper()}": str(value) for name, value in values.items()}
    return {**config_of(parameters), **own}


def config_of(parameters: ByTemplate) -> Mapping[str, str]:
    """Return what the workflow adds under names of its own choice."""
    return parameters.config if isinstance(parameters, Custom) else {}


def problems_of(parameters: Custom) -> Iterator[tuple[str, str]]:
    """Yield each field of the parameters that no process can be given, and what to do."""
    for key, value in parameters.config.items():
        why = _name_problem(key)
        if why:
            yield "config", f"{key!r} {why}"
        elif "\0" in value:
            yield "config", f"the value of {key} holds a NUL character; remove it"
    if any("\0" in word for word in parameters.custom_command):
        yield "customCommand", "it holds a NUL character; remove it"
    if parameters.custom_command and not parameters.custom_command[0].strip():
        yield "customCommand", "the first entry names the program; it is empty"


def verbatim(value: str) -> str:
    """Return a text that Kubernetes hands to the process as the one given here."""
    return value.replace("$", "$$")


def _name_problem(name: str) -> str:
    if not _NAME.fullmatch(name):
        return "is no name of a variable; use letters, digits and _, with no digit in front"
    if name.startswith(RESERVED):
        return f"begins with {RESERVED}, which is ours; use another name"
    if _LOADERS.fullmatch(name):
        return "would decide what programs load or run; use another name"
    return ""
