"""`${...}` in parameters: replaced by the value of the expression inside.

A text that is one expression takes over its type; expressions within a longer text become
text. A value never brings in another expression. `$${` stands for a plain `${`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from shared.api.parameters import EXPRESSION_PATTERN, Parameters
from shared.expressions.errors import ExpressionError
from shared.expressions.expression import evaluate
from shared.expressions.text import LITERAL

_FORM: Final = " matching regex "
"""In the message for a value of another form; that of names is the only one there is."""
LONGEST_VALUE: Final = 4096
"""Characters of a text after substitution."""


def substituted_parameters(parameters: Parameters, scope: Mapping[str, Any]) -> Parameters:
    """Return the parameters with every expression replaced by its value.

    Raises:
        ExpressionError: naming the field, when a value is missing or of a wrong type.
    """
    plain = msgspec.to_builtins(parameters)
    done = substitute(plain, scope)
    if done == plain:
        return parameters
    try:
        return msgspec.convert(done, Parameters)
    except msgspec.ValidationError as error:
        raise ExpressionError(_with_path(str(error))) from error


def substitute(value: Any, scope: Mapping[str, Any]) -> Any:
    """Return plain values with every `${...}` in their texts replaced.

    Raises:
        ExpressionError: naming the path of the text.
    """
    return _substituted(value, scope, "")


def expressions_in(value: Any, path: str = "") -> list[tuple[str, str]]:
    """Return each expression in the texts of plain values, with the path of its text.

    Raises:
        ExpressionError: naming the path of a text in which one does not end.
    """
    match value:
        case str():
            return [(path, part) for part, is_expression in _parts(value, path) if is_expression]
        case dict():
            return [f for key, each in value.items() for f in expressions_in(each, _at(path, key))]
        case list():
            return [
                f
                for place, each in enumerate(value)
                for f in expressions_in(each, f"{path}[{place}]")
            ]
        case _:
            return []


def _substituted(value: Any, scope: Mapping[str, Any], path: str) -> Any:
    match value:
        case str():
            return _text(value, scope, path)
        case dict():
            return {key: _substituted(each, scope, _at(path, key)) for key, each in value.items()}
        case list():
            return [
                _substituted(each, scope, f"{path}[{place}]") for place, each in enumerate(value)
            ]
        case _:
            return value


def _text(text: str, scope: Mapping[str, Any], path: str) -> Any:
    parts = list(_parts(text, path))
    if len(parts) == 1 and parts[0][1]:
        return _value(parts[0][0], scope, path)
    put_together = "".join(
        _embedded(_value(part, scope, path), path) if is_expression else part
        for part, is_expression in parts
    )
    if put_together.count("${") > sum(part.count("${") for part, is_value in parts if not is_value):
        raise ExpressionError(f"{path}: values together make up an expression: ${{")
    if len(put_together) > LONGEST_VALUE:
        raise ExpressionError(f"{path}: becomes longer than {LONGEST_VALUE} characters")
    return put_together


def _value(expression: str, scope: Mapping[str, Any], path: str) -> Any:
    try:
        value = evaluate(expression, scope)
    except ExpressionError as error:
        raise ExpressionError(f"{path}: {error}") from error
    _refuse_nested(value, path)
    return value


def _refuse_nested(value: Any, path: str) -> None:
    match value:
        case str() if "${" in value:
            raise ExpressionError(f"{path}: a value may not hold an expression, this one has ${{")
        case str() if len(value) > LONGEST_VALUE:
            raise ExpressionError(f"{path}: becomes longer than {LONGEST_VALUE} characters")
        case dict():
            for each in value.values():
                _refuse_nested(each, path)
        case list():
            for each in value:
                _refuse_nested(each, path)
        case _:
            pass


def _embedded(value: Any, path: str) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str() | int() | float():
            return str(value)
        case _:
            kind = "null" if value is None else type(value).__name__
            raise ExpressionError(f"{path}: a {kind} cannot be part of a text")


def _parts(text: str, path: str) -> Iterator[tuple[str, bool]]:
    """Yield the pieces of a text: as they are, or the inside of a `${...}`."""
    plain, place = "", 0
    while place < len(text):
        if text.startswith("$${", place):
            plain += "${"
            place += 3
        elif text.startswith("${", place):
            end = _closing(text, place + 2, path)
            if plain:
                yield plain, False
            yield text[place + 2 : end], True
            plain, place = "", end + 1
        else:
            plain += text[place]
            place += 1
    if plain or not text:
        yield plain, False


def _closing(text: str, start: int, path: str) -> int:
    """Return where the brace is that ends an expression; those in literals and maps do not."""
    depth, place = 1, start
    while place < len(text):
        literal = LITERAL.match(text, place)
        if literal:
            place = literal.end()
            continue
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return place
        place += 1
    raise ExpressionError(f"{path}: no }} ends the expression: {text[start - 2 :]}")


def _at(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _with_path(error: str) -> str:
    """Turn "Expected `int`, got `str` - at `$.a.b`" into "a.b: expected int, got str"."""
    what, _, where = error.replace("`", "").partition(" - at $.")
    what = what.replace("int | str", "int")
    if repr(EXPRESSION_PATTERN) in what:
        what = "Expected int, got str"
    elif _FORM in what:
        what = "No name of an object; use lower-case letters, digits, - and ."
    return f"{where}: {what[0].lower()}{what[1:]}" if where else what
