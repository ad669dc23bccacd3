"""One policy compiled in an interpreter of its own, and what it answers.

Goes below the classes of regopy: those end the process on results that are undefined, and
cannot read texts that hold quotes.
"""

import json
import re
from typing import Any, Final

from regopy import Bundle, Interpreter, rego_shared
from regopy.rego_shared import NodeKind, RegoError

__all__ = ["Compiled", "RegoError", "compiled"]

MOST_REASONS: Final = 16
LONGEST_REASON: Final = 256
_ERROR: Final = re.compile(r"\(errormsg \d+:([^)]*)\)")
_TO_ESCAPE: Final = re.compile(r'["\\\x00-\x1f]')


class FailedError(Exception):
    """A rule has no value because it conflicts with itself, or cannot be evaluated; says why."""


class Compiled:
    """A policy that is ready to be asked, again and again."""

    def __init__(self, frame: dict[str, Any]) -> None:
        """Compile the modules of a frame.

        Raises:
            RegoError: they cannot be.
        """
        where = frame["package"].replace(".", "/")
        self._rule = f"{where}/{frame['rule']}"
        self._reasons = f"{where}/{frame['reasons']}"
        self._notes = f"{where}/{frame['notes']}" if frame["notes"] else ""
        self._is_deny = bool(frame["is_deny"])
        self._interpreter = Interpreter()
        # A function that fails would be undefined, which `not` and a default make true.
        self._interpreter.strict_built_in_errors = True
        for number, text in enumerate((frame["module"], *frame["libraries"])):
            self._interpreter.add_module(f"module{number}", text)
        self._bundle: Bundle = self._interpreter.build(
            None, list(filter(None, (self._rule, self._reasons, self._notes)))
        )
        if not self._bundle.ok():
            raise RegoError("(errormsg 0:does not compile)")

    def evaluated(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return the kind of value that the rule has, and what else is said where it matters."""
        self._interpreter.set_input(_as_written(data))
        try:
            answer: dict[str, Any] = {"value": self._value()}
        except FailedError as error:
            return {"value": "error", "why": str(error)}
        is_true = answer["value"] == "true"
        try:
            if not is_true or self._is_deny:
                answer["reasons"] = self._said(self._reasons)
            if is_true and self._notes:
                answer["notes"] = self._said(self._notes)
        except FailedError as error:
            answer |= {"failed": True, "why": str(error)}
        return answer

    def _value(self) -> str:
        output = self._asked(self._rule)
        try:
            node = _only_term(output)
            if node is None:
                return "undefined"
            if rego_shared.rego_node_type(node) != NodeKind.Boolean:
                return "other"
            return "true" if rego_shared.rego_node_value(node) == "true" else "false"
        finally:
            rego_shared.rego_free_output(output)

    def _said(self, rule: str) -> list[str]:
        output = self._asked(rule)
        try:
            node = _only_term(output)
            return [] if node is None else _texts(node)
        finally:
            rego_shared.rego_free_output(output)

    def _asked(self, entrypoint: str) -> Any:
        return rego_shared.rego_bundle_query_entrypoint(
            self._interpreter._impl,  # noqa: SLF001 - its own method reads the result at once
            self._bundle._impl,  # noqa: SLF001
            entrypoint,
        )


def compiled(frame: dict[str, Any]) -> Compiled:
    """Return a policy that can be asked.

    Raises:
        RegoError: it cannot be compiled; the message is one line.
    """
    try:
        return Compiled(frame)
    except RegoError as error:
        found = _ERROR.findall(str(error))
        message = "; ".join(dict.fromkeys(found)) or "does not compile"
        raise RegoError(message[:LONGEST_REASON]) from None


def _only_term(output: Any) -> Any:
    """Return the one value of a result, or None when it is undefined.

    Raises:
        FailedError: there is neither. Recursion, for one, is told by `ok` to be fine.
    """
    node = rego_shared.rego_output_node(output)
    if not rego_shared.rego_output_ok(output):
        raise FailedError(_why(node))
    if rego_shared.rego_node_type(node) == NodeKind.Undefined:
        return None
    for kind in (NodeKind.Results, NodeKind.Result, NodeKind.Terms):
        if rego_shared.rego_node_type(node) != kind or not rego_shared.rego_node_size(node):
            raise FailedError(_why(node))
        node = rego_shared.rego_node_get(node, 0)
    return _inner(node)


def _why(node: Any) -> str:
    """Return the first error that a node says, or nothing."""
    if rego_shared.rego_node_type(node) == NodeKind.ErrorSeq and rego_shared.rego_node_size(node):
        node = rego_shared.rego_node_get(node, 0)
    found = _ERROR.search(rego_shared.rego_node_json(node))
    return _shortened(found[1]) if found else ""


def _inner(node: Any) -> Any:
    while rego_shared.rego_node_type(node) in {NodeKind.Term, NodeKind.Scalar}:
        node = rego_shared.rego_node_get(node, 0)
    return node


def _texts(node: Any) -> list[str]:
    """Return what a value says: itself, its elements, or the keys of an object."""
    kind = rego_shared.rego_node_type(node)
    if kind == NodeKind.Boolean and rego_shared.rego_node_value(node) == "false":
        return []
    if kind not in {NodeKind.Set, NodeKind.Array, NodeKind.Object}:
        return [_text(node)]
    size = min(MOST_REASONS, rego_shared.rego_node_size(node))
    parts = [rego_shared.rego_node_get(node, number) for number in range(size)]
    if kind == NodeKind.Object:
        parts = [rego_shared.rego_node_get(part, 0) for part in parts]
    return sorted(_text(_inner(part)) for part in parts)


def _text(node: Any) -> str:
    if rego_shared.rego_node_type(node) != NodeKind.String:
        return _shortened(rego_shared.rego_node_json(node))
    value = rego_shared.rego_node_value(node)
    try:
        return _shortened(str(json.loads(f'"{value}"', strict=False)))
    except ValueError:
        return _shortened(value)


def _shortened(text: str) -> str:
    shown = "".join(each if each.isprintable() else " " for each in text[:LONGEST_REASON])
    return shown.strip() or "no reason given"


def _as_written(value: Any) -> Any:
    """Return a value with its texts as the interpreter keeps those of a module: escaped.

    Otherwise none that holds a quote, a backslash or a line break would equal itself, and one
    would end at its first NUL.
    """
    match value:
        case str():
            return _escaped(value)
        case list():
            return [_as_written(each) for each in value]
        case dict():
            return {_escaped(key): _as_written(each) for key, each in value.items()}
        case _:
            return value


def _escaped(text: str) -> str:
    if not _TO_ESCAPE.search(text):
        return text
    return json.dumps(text, ensure_ascii=False)[1:-1]
