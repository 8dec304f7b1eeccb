"""What a document says about itself beside its text: in the front matter of a file, or in the columns of a table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Annotated, Any

import yaml
from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from schemas.conversation import Visibility
from schemas.errors import Unprocessable

LANGUAGE = r"^([A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,4})?$"
ADDRESS = r"^(https?://\S+)?$"
_STRAY = re.compile(r"^\W{0,5}visibility\s*:\s*\W?(?:verified|internal)\W?\s*$", re.MULTILINE | re.IGNORECASE)
_HEAD = 20
"""So many first lines in which a visibility must have been meant as one."""
_FRONT = re.compile(r"\A---[ \t]*\n(.{0,20000}?\n)---[ \t]*\n", re.DOTALL)


def _instant(value: Any) -> Any:
    """A bare day holds until it is over; a time needs no zone to be UTC's."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value) if len(value) > 10 else date.fromisoformat(value)
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.combine(value, time.max, UTC) if isinstance(value, date) else value


def _absolute(value: Any) -> Any:
    """Generators of sites put a path there; it leads nowhere from a chat."""
    return "" if isinstance(value, str) and value.startswith("/") else value


class Particulars(BaseModel):
    """What is not known is left alone: other programs have their own keys in the same place."""

    model_config = ConfigDict(extra="ignore", frozen=True, str_strip_whitespace=True)

    title: str = Field(default="", max_length=300)
    url: Annotated[str, Field(max_length=2000, pattern=ADDRESS), BeforeValidator(_absolute)] = ""
    language: Annotated[str, Field(pattern=LANGUAGE, validation_alias=AliasChoices("language", "lang"))] = ""
    visibility: Visibility | None = None
    expires_at: Annotated[datetime | None, BeforeValidator(_instant)] = None


def particulars(name: str, given: Mapping[str, Any]) -> Particulars:
    """Raises Unprocessable: a visibility that is misspelt must not be taken for none."""
    said = {str(key).strip().lower(): value for key, value in given.items() if value not in (None, "")}
    try:
        return Particulars.model_validate(said)
    except ValidationError as error:
        wrong = error.errors()[0]
        where = ".".join(str(part) for part in wrong["loc"])
        raise Unprocessable(
            f"{name}: {where}: {wrong['msg'][:1].lower()}{wrong['msg'][1:]}",
            fix="visibility is public, verified or internal; expires_at such as 2027-01-31; language such as de",
        ) from error


def front_matter(name: str, text: str) -> tuple[Particulars, str]:
    """What stands between two lines ``---`` at the beginning, and the text behind it. Raises Unprocessable."""
    match = _FRONT.match(text)
    said, body = (_said(name, match[1]), text[match.end() :]) if match else (None, text)
    # Two rules with a paragraph between them are no front matter.
    found, body = (particulars(name, said), body) if isinstance(said, dict) else (Particulars(), text)
    if _STRAY.search("\n".join(body.split("\n", _HEAD)[:_HEAD])):
        raise Unprocessable(
            f"{name}: a visibility stands outside the lines `---`, where it would hide nothing",
            fix="begin the file with ---, then what it says about itself, then --- again",
        )
    return found, body


def _said(name: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Unprocessable(
            f"{name}: what stands between the lines `---` at its beginning is not YAML",
            fix="correct it, or put an empty line before the first ---",
        ) from error
