"""Logging and metrics: one JSON line per event, with ids, never with message text."""

from __future__ import annotations

import logging
import sys
import traceback
import warnings
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any, TextIO

import orjson
import structlog
from structlog.contextvars import merge_contextvars

from infra.metrics import CONTENT_TYPE, PrometheusMetrics
from schemas.errors import ParleyError
from schemas.runtime.tracing import log_fields

__all__ = ["CONTENT_TYPE", "PrometheusMetrics", "set_up_logging"]

Fields = MutableMapping[str, Any]
ALWAYS = ("tenant", "channel", "conversation_id", "correlation_id")
"""Fields of every line, empty when they do not apply: a dashboard can rely on them."""
CONTENT = frozenset(
    {"text", "body", "payload", "html", "quote", "value", "data", "content", "query", "question", "answer"}
)
"""Fields that would carry message text. They are replaced by their length in every log line."""
_FRAMES = 12


def set_up_logging(*, human: bool = False, level: str = "info", stream: TextIO | None = None) -> None:
    """Call once, before the first log line. ``human`` prints for a terminal, else JSON lines."""
    # It would print the names of strangers' files, raw.
    warnings.filterwarnings("ignore", module=r"aiohttp\.multipart")
    out = stream or sys.stderr
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        merge_contextvars,
        _with_context,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_content,
        _short_exception,
    ]
    last: structlog.typing.Processor = structlog.dev.ConsoleRenderer(colors=out.isatty()) if human else _json_line
    structlog.configure(
        processors=[*shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    _adopt_libraries(shared, last, number, out)


def _adopt_libraries(
    shared: list[structlog.typing.Processor], last: structlog.typing.Processor, number: int, out: TextIO
) -> None:
    """Give what libraries log through ``logging`` the same form."""
    handler = logging.StreamHandler(out)
    strip = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=[strip, last], foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.WARNING))


def _with_context(_logger: object, _method: str, fields: Fields) -> Fields:
    # One variable for each field, as the library does it, takes ten times as long to bind, and every message binds
    # four.
    return {**log_fields(), **fields}


def _without_content(_logger: object, _method: str, fields: Fields) -> Fields:
    for name in CONTENT & fields.keys():
        fields[name] = _length(fields[name])
    return fields


def _length(value: object) -> str:
    return f"<{len(value)}>" if isinstance(value, str | bytes | Mapping | list | tuple) else "<hidden>"


def _short_exception(_logger: object, _method: str, fields: Fields) -> Fields:
    """The type of an exception and where it arose; its text only when it is one of ours and so holds no message
    text."""
    exc_info = fields.pop("exc_info", None)
    error = sys.exc_info()[1] if exc_info is True else exc_info[1] if isinstance(exc_info, tuple) else exc_info
    if isinstance(error, BaseException):
        fields["exception"] = type(error).__name__ + (f": {error.message}" if isinstance(error, ParleyError) else "")
        frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
        fields["stack"] = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return fields


def _json_line(_logger: object, _method: str, fields: Fields) -> str:
    ordered = {
        "event": fields.pop("event", ""),
        "level": fields.pop("level", ""),
        "timestamp": fields.pop("timestamp", ""),
    }
    ordered |= {name: fields.pop(name, "") for name in ALWAYS}
    return orjson.dumps(ordered | dict(fields), default=str, option=orjson.OPT_NON_STR_KEYS).decode()
