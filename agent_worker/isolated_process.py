"""A separate process for code that is complex or slow and works on untrusted bytes. When it crashes, hangs or takes too
much memory, only the request is lost; the next one starts a new process.

``IsolatedProcess`` is the parent's side; ``serve`` is the main function of the child.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import struct
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

MEMORY_BYTES = 1024 * 1024 * 1024
_CPU_LIMIT_S = 600
_MAX_ANSWER_BYTES = 64 * 1024 * 1024
_HEADER = struct.Struct("!QQ")
"""Before each request and answer: the length of its JSON and of its bytes."""

Answer = tuple[dict[str, Any], bytes]


class ProcessCrashed(Exception):
    """The process ended before it answered, or answered nonsense."""


class IsolatedProcess:
    """One process that handles one request at a time, started when needed and again after a crash. ``module`` calls
    ``serve``, and ``interpreter`` is the Python that runs it."""

    def __init__(self, module: str, *arguments: str, interpreter: str = sys.executable) -> None:
        self._command = [interpreter, "-P", "-m", module, *arguments]
        self._process: Process | None = None
        self._lock = asyncio.Lock()

    async def ask(self, request: Mapping[str, Any], data: bytes, *, seconds: float) -> Answer:
        """Send a request and wait for its answer. ``seconds`` do not include the time that others take before. Raises
        TimeoutError and ProcessCrashed; the process is then ended."""
        async with self._lock:
            try:
                async with asyncio.timeout(seconds):
                    return await self._exchange(request, data)
            except (asyncio.IncompleteReadError, ConnectionError, ValueError) as error:
                await self._end()
                raise ProcessCrashed(type(error).__name__) from error
            except BaseException:
                await self._end()  # an unread answer must not be taken for the next request's
                raise

    async def close(self) -> None:
        """End the process. It may be used again."""
        await self._end()

    async def _exchange(self, request: Mapping[str, Any], data: bytes) -> Answer:
        process = await self._ensure_process()
        if process.stdin is None or process.stdout is None:
            raise ConnectionError
        head = json.dumps(request).encode()
        process.stdin.write(_HEADER.pack(len(head), len(data)) + head)
        process.stdin.write(data)
        await process.stdin.drain()
        sizes = _HEADER.unpack(await process.stdout.readexactly(_HEADER.size))
        if sum(sizes) > _MAX_ANSWER_BYTES:
            raise ConnectionError
        answer: dict[str, Any] = json.loads(await process.stdout.readexactly(sizes[0]))
        return answer, await process.stdout.readexactly(sizes[1])

    async def _ensure_process(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            # Not our environment: it contains secrets, and the process does not need it.
            environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PATH": os.defpath}
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=PIPE, stdout=PIPE, stderr=asyncio.subprocess.DEVNULL, env=environment
            )
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def serve(handle: Callable[[dict[str, Any], bytes], Answer], *, limited: bool = True) -> None:
    """Answer requests from standard input until it ends. ``limited``: the memory, the processor time and the files of
    the process are limited."""
    requests = sys.stdin.buffer
    # Output printed by a library must not mix with the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if limited:
        _set_limits()
    while sizes := requests.read(_HEADER.size):
        head_size, data_size = _HEADER.unpack(sizes)
        head = json.loads(requests.read(head_size))
        try:
            answer = handle(head, requests.read(data_size))
        except MemoryError:
            raise SystemExit(1) from None
        _send(answers, *answer)


def _send(answers: BinaryIO, value: Mapping[str, Any], data: bytes) -> None:
    head = json.dumps(value).encode()
    answers.write(_HEADER.pack(len(head), len(data)) + head)
    answers.write(data)
    answers.flush()


def _set_limits() -> None:
    """Set where the platform supports such limits. The parent's time limit works everywhere."""
    with contextlib.suppress(ImportError):
        import resource

        limits = {
            resource.RLIMIT_AS: MEMORY_BYTES,
            resource.RLIMIT_CPU: _CPU_LIMIT_S,
            resource.RLIMIT_FSIZE: 0,
            resource.RLIMIT_CORE: 0,
        }
        for limit, maximum in limits.items():
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(limit, (maximum, maximum))
