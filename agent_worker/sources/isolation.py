"""A separate process, with limits of memory and time, for formats whose readers run complex code on untrusted bytes. A
file that exceeds the limits costs only that file."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import struct
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from pydantic import TypeAdapter

from schemas.errors import DocumentTooLarge, MissingDependency, ParleyError, Unprocessable
from schemas.ports import Content

TIMEOUT_S = 30.0
"""Time limit for one file."""
_MAX_ANSWER_BYTES = 64 * 1024 * 1024
_FIX = "open it and save it again, or split it; its text can also be added as .txt"


class Isolation:
    """One process at a time, started when needed and again after a crash. ``async with`` ends it."""

    def __init__(self, seconds: float = TIMEOUT_S) -> None:
        self.seconds = seconds
        self._process: Process | None = None
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> Isolation:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def read(self, format: str, name: str, data: bytes) -> Sequence[Content]:
        """Raises what the format raises, and Unprocessable when reading took too long or too much memory."""
        async with self._lock:
            try:
                async with asyncio.timeout(self.seconds):
                    answer = await self._ask(format, name, data)
            except TimeoutError as error:
                await self._end()
                raise Unprocessable(f"{name}: reading it took longer than {self.seconds:.0f} s", fix=_FIX) from error
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                await self._end()
                raise Unprocessable(
                    f"{name}: reading it took too much memory, or crashed the reader", fix=_FIX
                ) from error
            except BaseException:
                await self._end()  # an unread answer must not be taken for the next file's
                raise
        if "error" in answer:
            raise load_error(answer["error"])
        return load_contents(answer["contents"])

    async def _ask(self, format: str, name: str, data: bytes) -> dict[str, object]:
        process = await self._ensure_process()
        if process.stdin is None or process.stdout is None:
            raise ConnectionError
        head = json.dumps({"format": format, "name": name, "size": len(data)}).encode()
        process.stdin.write(HEADER.pack(len(head)) + head)
        process.stdin.write(data)
        await process.stdin.drain()
        (size,) = HEADER.unpack(await process.stdout.readexactly(HEADER.size))
        if size > _MAX_ANSWER_BYTES:
            raise ConnectionError
        answer: dict[str, object] = json.loads(await process.stdout.readexactly(size))
        return answer

    async def _ensure_process(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            # Not our environment: it contains secrets, and readers do not need it.
            environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PATH": os.defpath}
            command = [sys.executable, "-P", "-m", "agent_worker.sources.reader"]
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=PIPE, stderr=asyncio.subprocess.DEVNULL, env=environment
            )
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


# Protocol between the processes: a length, then JSON, then the file's bytes.
HEADER = struct.Struct("!Q")
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
