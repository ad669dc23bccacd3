"""Expressions in CEL, the language of Kubernetes' own validation rules.

Evaluated by Google's C++ library, in which every expression ends: no loops but over lists,
with a budget of iterations, a bounded depth, and regular expressions in linear time. Only
its standard functions are there, since those for text could be made to fill the memory.
`bounds` keeps the rest short.
"""

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from cel_expr_python import cel

from shared.expressions.bounds import check_data, check_text
from shared.expressions.errors import ExpressionError
from shared.expressions.text import normalised, references

__all__ = ["ExpressionError", "evaluate", "problems", "truth"]

ROOTS: Final = ("vars", "steps", "workflow", "remediation", "rr")
_ENVIRONMENT: Final = cel.NewEnv(variables=dict.fromkeys(ROOTS, cel.Type.DYN))
_UNKNOWN: Final = re.compile(r"undeclared reference to '\.?(\w+)")
MOST_VALUES: Final = 4096
"""Values that one expression may give."""
_PLAIN: Final = (bool, int, float, str, type(None))


def problems(text: str, *, steps: Collection[str], variables: Collection[str]) -> list[str]:
    """Return what is wrong with an expression, as far as can be told without values.

    Args:
        text: the expression.
        steps: names of the steps it may look at: those that end before.
        variables: names of the workflow's variables.
    """
    try:
        check_text(text)
        normal = normalised(text)
        named = references(normal)
        _compiled(normal)
    except ExpressionError as error:
        return [str(error)]
    found = [
        f"step {name!r} does not run before this one; depend on it"
        for name in sorted(named.steps - set(steps))
    ]
    for name in sorted(named.variables - set(variables)):
        near = difflib.get_close_matches(name, sorted(variables), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "add it to workflowDefinition.variables"
        found.append(f"there is no variable {name!r}; {hint}")
    return found


def evaluate(text: str, scope: Mapping[str, Any]) -> Any:
    """Return the value of an expression as plain Python.

    Raises:
        ExpressionError: when it cannot be read or has no value.
    """
    check_text(text)
    program = _compiled(normalised(text))
    try:
        check_data(text, scope)
        result = program.eval(data=dict(scope))
        if result.type() == cel.Type.ERROR:
            raise ExpressionError(f"{_told(str(result.value()))}: {text}")
        return _plain(result.value(), text, iter(range(MOST_VALUES)))
    except (RuntimeError, TypeError, ValueError, MemoryError) as error:
        raise ExpressionError(f"{_told(str(error))}: {text}") from error


def truth(text: str, scope: Mapping[str, Any]) -> bool:
    """Return whether an expression holds.

    Raises:
        ExpressionError: also when its value is neither true nor false.
    """
    value = evaluate(text, scope)
    if not isinstance(value, bool):
        raise ExpressionError(f"must be true or false, is {value!r}: {text}")
    return value


@lru_cache(maxsize=1024)
def _compiled(normal: str) -> cel.Expression:
    try:
        return _ENVIRONMENT.compile(normal)
    except TypeError as error:
        raise ExpressionError(f"not a valid text: {normal}") from error
    except (RuntimeError, ValueError) as error:
        raise ExpressionError(f"{_hinted(_told(str(error)))}: {normal}") from error


def _hinted(message: str) -> str:
    """Return the message, with what there is instead of a name that nothing has."""
    unknown = _UNKNOWN.search(message)
    if unknown is None:
        return message
    near = difflib.get_close_matches(unknown.group(1), ROOTS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(ROOTS)}"
    return f"{message}; {hint}"


def _plain(value: Any, text: str, room: Iterator[int]) -> Any:
    if next(room, None) is None:
        raise ExpressionError(f"gives more than {MOST_VALUES} values: {text}")
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, list | tuple):
        return [_plain(_unwrapped(each), text, room) for each in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(_unwrapped(each), text, room) for key, each in value.items()}
    raise ExpressionError(f"a {type(value).__name__} is of no use here: {text}")


def _unwrapped(value: Any) -> Any:
    return value.value() if isinstance(value, cel.Value) else value


def _told(message: str) -> str:
    """Return the first thing a message of the library says, without its codes."""
    line = message.strip().splitlines()[0] if message.strip() else "it failed"
    line = re.sub(r"^[A-Z_]+: ", "", line)
    line = re.sub(r"^ERROR: <input>:\d+:\d+: ", "", line)
    return re.sub(r" \(in container ''\)| expecting \{.*$| \[[A-Z_]+\]$", "", line)
