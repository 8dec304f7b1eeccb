"""Common parts of Meta's updates, and validation of untrusted data."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import structlog
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from connectors.markup import clean_text
from schemas.errors import TooLarge
from schemas.messages import RemoteFile
from schemas.ports import Account

log = structlog.get_logger("parley.inbound")

MAX_ITEMS = 5_000
"""Entries, changes or messages of one request; Meta sends at most a thousand."""
_MIN_MILLISECONDS = 100_000_000_000
"""Larger numbers are milliseconds: as seconds they would be after the year 5000."""


def _parse_id(value: Any) -> Any:
    """Meta sends ids as text or as numbers."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _parse_text(value)


def _parse_stamp(value: Any) -> str:
    return clean_text(str(value))[:40]


def _parse_text(value: Any) -> Any:
    return clean_text(value) if isinstance(value, str) else "" if value is None else value


Id = Annotated[str, BeforeValidator(_parse_id), Field(max_length=1000)]
"""Empty where there is none."""
KnownId = Annotated[Id, Field(min_length=1)]
Text = Annotated[str, BeforeValidator(_parse_text)]
Timestamp = Annotated[str, BeforeValidator(_parse_stamp)]
"""Seconds or milliseconds since 1970, as text or number; may be nonsense, see ``parse_time``."""
ItemList = Annotated[list[Any], BeforeValidator(lambda value: value if isinstance(value, list) else [])]


class GraphModel(BaseModel):
    """Meta adds fields without notice."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Entry(GraphModel):
    id: Id = ""
    changes: ItemList = []
    messaging: ItemList = []
    standby: ItemList = []


Model = TypeVar("Model", bound=BaseModel)


def parse_item(model: type[Model], item: Any, account: Account) -> Model | None:
    """Validate one item; None, with a line in the log, where it is invalid, so that it does not spoil the others."""
    try:
        return model.model_validate(item)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        log.warning(
            "update_malformed",
            tenant=account.tenant,
            channel=account.channel,
            account=account.name,
            part=model.__name__,
            field=".".join(str(step) for step in first["loc"])[:100],
            problem=first["type"],
        )
        return None


def parse_items(model: type[Model], items: list[Any], account: Account) -> Iterator[Model]:
    """Raises TooLarge."""
    if len(items) > MAX_ITEMS:
        raise TooLarge(f"at most {MAX_ITEMS} updates are read at once")
    for each in items:
        parsed = parse_item(model, each, account)
        if parsed is not None:
            yield parsed


def parse_time(stamp: str, now: datetime) -> datetime:
    """Return the time of an update; ``now`` where it makes no sense."""
    try:
        seconds = float(stamp)
        return datetime.fromtimestamp(seconds / 1000 if seconds > _MIN_MILLISECONDS else seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return now


def get_file_name(file: RemoteFile, type_: str) -> str:
    """Return the vendor's name of the file, else one after its kind."""
    return file.name or f"{file.kind}{mimetypes.guess_extension(type_) or ''}"
