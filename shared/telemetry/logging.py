"""Structured logs: JSON lines, or coloured text on a terminal.

Code binds snake_case (`correlation_id`); lines carry the names that dashboards know
(`correlationID`, `errorType`). An event is a constant in the past tense, everything variable
a key. Lines of libraries pass through the same processors, from level warning on.
"""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TextIO

import structlog
from structlog.contextvars import bound_contextvars
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from shared.telemetry.redaction import redact_value

_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_KEYS: Final = {"correlation_id": "correlationID", "exception": "trace"}
"""Names that do not follow from turning snake_case into camelCase."""


def configure(*, level: str, form: str, stream: TextIO | None = None) -> None:
    """Configure logging once per process.

    Args:
        level: debug, info, warning or error.
        form: json, console, or auto for console on a terminal.
        stream: where lines go; standard error by default.
    """
    out = stream if stream is not None else sys.stderr
    console = form == "console" or (form == "auto" and out.isatty())
    processors = _processors(console=console)
    renderer: Processor = (
        structlog.dev.ConsoleRenderer()
        if console
        else structlog.processors.JSONRenderer(serializer=_to_json)
    )
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    _configure_libraries(out, processors, renderer)


def get_logger(service: str) -> FilteringBoundLogger:
    """Return the logger of one service."""
    logger: FilteringBoundLogger = structlog.get_logger(service=service)
    return logger


@contextmanager
def bound(
    *,
    correlation_id: str = "",
    workflow: str = "",
    namespace: str = "",
    step: str = "",
    **more: Any,
) -> Iterator[None]:
    """Add keys to every line logged inside, by whatever logger; empty ones are left out."""
    keys = {
        "correlation_id": correlation_id,
        "workflow": workflow,
        "namespace": namespace,
        "step": step,
        **more,
    }
    with bound_contextvars(**{key: value for key, value in keys.items() if value != ""}):
        yield


def _processors(*, console: bool) -> list[Processor]:
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if not console:
        processors.append(structlog.processors.format_exc_info)
    return [*processors, _redact, _rename]


def _configure_libraries(out: TextIO, processors: list[Processor], renderer: Processor) -> None:
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *processors],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)


def _redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {key: redact_value(key, value) for key, value in event.items()}


def _rename(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {_camel(key): value for key, value in event.items()}


def _camel(key: str) -> str:
    if key.startswith("_") or key == "exc_info":
        return key
    if key in _KEYS:
        return _KEYS[key]
    first, *rest = key.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _to_json(event: EventDict, **options: Any) -> str:
    return json.dumps(event, **options)
