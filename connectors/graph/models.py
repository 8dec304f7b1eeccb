"""The pieces that Meta's updates are made of, and how untrusted data becomes one of them."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import structlog
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from connectors.markup import printable
from schemas.messages import RemoteFile
from schemas.ports import Account

log = structlog.get_logger("parley.inbound")

_MILLISECONDS = 100_000_000_000
"""A larger number of seconds would be after the year 5000."""


def _id(value: Any) -> Any:
    """Ids come as text or as numbers, whichever way Meta's server felt like."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _words(value)


def _stamp(value: Any) -> str:
    return printable(str(value))[:40]


def _words(value: Any) -> Any:
    return printable(value) if isinstance(value, str) else "" if value is None else value


Id = Annotated[str, BeforeValidator(_id), Field(max_length=1000)]
"""Empty where there is none."""
KnownId = Annotated[Id, Field(min_length=1)]
Words = Annotated[str, BeforeValidator(_words)]
Stamp = Annotated[str, BeforeValidator(_stamp)]
"""Seconds or milliseconds since 1970, as text or as a number, or nonsense: see ``moment``."""
Listed = Annotated[list[Any], BeforeValidator(lambda value: value if isinstance(value, list) else [])]


class Part(BaseModel):
    """Meta adds fields without notice."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Entry(Part):
    id: Id = ""
    changes: Listed = []
    messaging: Listed = []
    standby: Listed = []


Kind = TypeVar("Kind", bound=BaseModel)


def read(model: type[Kind], found: Any, account: Account) -> Kind | None:
    """``found`` as what it should be; None, and a line in the log, when it is not. One bad item spoils no other."""
    try:
        return model.model_validate(found)
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


def read_all(model: type[Kind], found: list[Any], account: Account) -> Iterator[Kind]:
    for each in found:
        part = read(model, each, account)
        if part is not None:
            yield part


def moment(stamp: str, now: datetime) -> datetime:
    """When it happened; ``now`` where that makes no sense."""
    try:
        seconds = float(stamp)
        return datetime.fromtimestamp(seconds / 1000 if seconds > _MILLISECONDS else seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return now


def file_name(file: RemoteFile, type_: str) -> str:
    """As the vendor names it, else after its kind."""
    return file.name or f"{file.kind}{mimetypes.guess_extension(type_) or ''}"
