"""Formats whose readers run complex code on untrusted bytes, in a process of their own. A file that exceeds its limits
costs only that file."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

from pydantic import TypeAdapter

from agent_worker.isolated_process import IsolatedProcess, ProcessCrashed
from schemas.errors import DocumentTooLarge, MissingDependency, ParleyError, Unprocessable
from schemas.ports import Content

TIMEOUT_S = 30.0
"""Time limit for one file."""
_FIX = "open it and save it again, or split it; its text can also be added as .txt"


class Isolation:
    """One process, started when needed. ``async with`` ends it."""

    def __init__(self, seconds: float = TIMEOUT_S) -> None:
        self.seconds = seconds
        self._process = IsolatedProcess("agent_worker.sources.reader")

    async def __aenter__(self) -> Isolation:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._process.close()

    async def read(self, format: str, name: str, data: bytes) -> Sequence[Content]:
        """Raises what the format raises, and Unprocessable when reading took too long or too much memory."""
        try:
            answer, _ = await self._process.ask({"format": format, "name": name}, data, seconds=self.seconds)
        except TimeoutError as error:
            raise Unprocessable(f"{name}: reading it took longer than {self.seconds:.0f} s", fix=_FIX) from error
        except ProcessCrashed as error:
            raise Unprocessable(f"{name}: reading it took too much memory, or crashed the reader", fix=_FIX) from error
        if "error" in answer:
            raise load_error(answer["error"])
        return load_contents(answer["contents"])


_CONTENTS = TypeAdapter(list[Content])
_FAILURES: dict[str, type[ParleyError]] = {
    each.code: each for each in (DocumentTooLarge, MissingDependency, Unprocessable)
}


def dump_contents(contents: Sequence[Content]) -> Any:
    return _CONTENTS.dump_python(list(contents), mode="json")


def load_contents(value: Any) -> list[Content]:
    return _CONTENTS.validate_python(value)


def dump_error(error: ParleyError) -> dict[str, str]:
    return {"code": error.code, "message": error.message, "fix": error.fix}


def load_error(value: Any) -> ParleyError:
    kind = _FAILURES.get(value["code"], Unprocessable)
    return kind(str(value["message"]), fix=str(value["fix"]))
