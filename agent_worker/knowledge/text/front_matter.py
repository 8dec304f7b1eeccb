"""A document's own attributes, in the front matter of a file or in the columns of a table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from schemas.conversation import Visibility
from schemas.errors import Unprocessable
from schemas.validation import problems
from schemas.validation.times import require_representable

LANGUAGE, ADDRESS = problems.LANGUAGE, problems.ADDRESS
_STRAY_VISIBILITY = re.compile(
    r"^\W{0,5}visibility\s*:\s*\W?(?:verified|internal)\W?\s*$", re.MULTILINE | re.IGNORECASE
)
_HEAD_LINES = 20
"""A visibility within this many first lines was meant as front matter."""
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.{0,20000}?\n)---[ \t]*\n", re.DOTALL)


def _parse_time(value: Any) -> Any:
    """A bare date lasts until the end of that day; a time without a zone is UTC."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value) if len(value) > 10 else date.fromisoformat(value)
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.combine(value, time.max, UTC) if isinstance(value, date) else value


def _drop_relative(value: Any) -> Any:
    """Site generators write a path here, which a chat cannot link to."""
    return "" if isinstance(value, str) and value.startswith("/") else value


def _join_lines(value: Any) -> Any:
    return " ".join(value.split()) if isinstance(value, str) else value


class FrontMatter(BaseModel):
    """Unknown keys are ignored, because other programs keep theirs in the same place."""

    model_config = ConfigDict(extra="ignore", frozen=True, str_strip_whitespace=True)

    title: Annotated[str, Field(max_length=300), BeforeValidator(_join_lines)] = ""
    url: Annotated[str, Field(max_length=2000, pattern=ADDRESS), BeforeValidator(_drop_relative)] = ""
    language: Annotated[str, Field(pattern=LANGUAGE, validation_alias=AliasChoices("language", "lang"))] = ""
    visibility: Visibility | None = None
    expires_at: Annotated[
        Annotated[datetime, AfterValidator(require_representable)] | None, BeforeValidator(_parse_time)
    ] = None


def parse_attributes(name: str, given: Mapping[str, Any]) -> FrontMatter:
    """Raises Unprocessable for an invalid value: a misspelt visibility must not count as none."""
    values = {str(key).strip().lower(): value for key, value in given.items() if value not in (None, "")}
    try:
        return FrontMatter.model_validate(values)
    except ValidationError as error:
        wrong = error.errors()[0]
        where = ".".join(str(part) for part in wrong["loc"])
        raise Unprocessable(
            f"{name}: {where}: {problems.describe_problem(wrong)}",
            fix="visibility is public, verified or internal; expires_at such as 2027-01-31; language such as de",
        ) from error


def split_front_matter(name: str, text: str) -> tuple[FrontMatter, str]:
    """The attributes between two lines ``---`` at the beginning, and the text after them. Raises Unprocessable."""
    match = _FRONT_MATTER.match(text)
    values, body = (_load_yaml(name, match[1]), text[match.end() :]) if match else (None, text)
    # Two horizontal rules around a paragraph are no front matter.
    attributes, body = (parse_attributes(name, values), body) if isinstance(values, dict) else (FrontMatter(), text)
    if _STRAY_VISIBILITY.search("\n".join(body.split("\n", _HEAD_LINES)[:_HEAD_LINES])):
        raise Unprocessable(
            f"{name}: a visibility stands outside the lines `---`, where it would hide nothing",
            fix="begin the file with ---, then what it says about itself, then --- again",
        )
    return attributes, body


def _load_yaml(name: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Unprocessable(
            f"{name}: what stands between the lines `---` at its beginning is not YAML",
            fix="correct it, or put an empty line before the first ---",
        ) from error
    except (ValueError, OverflowError) as error:
        raise Unprocessable(
            f"{name}: what stands between the lines `---` has a value that cannot be read, such as a day that does not"
            " exist",
            fix="correct the date, such as 2027-01-31",
        ) from error
