"""What goes between us and the process that reads files: a length, then JSON, then the file's bytes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter

from schemas.errors import DocumentTooLarge, MissingDependency, ParleyError, Unprocessable
from schemas.ports import Content

HEADER = struct.Struct("!Q")
_CONTENTS = TypeAdapter(list[Content])
_FAILURES: dict[str, type[ParleyError]] = {
    each.code: each for each in (DocumentTooLarge, MissingDependency, Unprocessable)
}


def told(contents: Sequence[Content]) -> Any:
    return _CONTENTS.dump_python(list(contents), mode="json")


def contents_of(value: Any) -> list[Content]:
    return _CONTENTS.validate_python(value)


def told_failure(error: ParleyError) -> dict[str, str]:
    return {"code": error.code, "message": error.message, "fix": error.fix}


def failure_of(value: Any) -> ParleyError:
    kind = _FAILURES.get(value["code"], Unprocessable)
    return kind(str(value["message"]), fix=str(value["fix"]))
