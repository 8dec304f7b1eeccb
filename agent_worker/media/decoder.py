"""Voice notes and pictures, decoded in a process of their own."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from agent_worker.isolated_process import Answer, IsolatedProcess, ProcessCrashed
from schemas.errors import MissingDependency, Unprocessable
from schemas.runtime.optional_dependencies import install_command

TIMEOUT_S = 20.0
"""Seconds for one file."""
TOO_LONG = "TooLong"
"""The reason of sound that is too long."""


class MediaDecoder:
    """Prepares the files of one worker, one after another."""

    def __init__(self, seconds: float = TIMEOUT_S) -> None:
        self._seconds = seconds
        self._process = IsolatedProcess("agent_worker.media.media_process")

    async def decode_audio(self, data: bytes, max_seconds: float) -> bytes:
        """A WAV file: 16 kHz, one channel, 16 bits. Raises Unprocessable; ``TOO_LONG`` is then the message of sound
        that is longer than ``max_seconds``."""
        _, sound = await self._ask({"kind": "audio", "max_seconds": max_seconds}, data)
        return sound

    async def prepare_image(self, data: bytes) -> tuple[str, bytes]:
        """The media type and the bytes of the picture as models get it. Raises Unprocessable."""
        answer, picture = await self._ask({"kind": "image"}, data)
        return str(answer["type"]), picture

    async def close(self) -> None:
        await self._process.close()

    async def _ask(self, request: Mapping[str, Any], data: bytes) -> Answer:
        try:
            try:
                answer, prepared = await self._process.ask(request, data, seconds=self._seconds)
            except ProcessCrashed:
                # Perhaps the files before it used up the processor time that the process may have.
                answer, prepared = await self._process.ask(request, data, seconds=self._seconds)
        except (TimeoutError, ProcessCrashed) as error:
            raise Unprocessable(type(error).__name__) from error
        if "error" in answer:
            raise Unprocessable(str(answer["error"]))
        return answer, prepared


def require_audio_library() -> None:
    """Raises MissingDependency."""
    _require("av", "the transcription of voice notes", "voice")


def require_image_library() -> None:
    """Raises MissingDependency."""
    _require("PIL", "a model with `abilities: [vision]`", "pictures")


def _require(module: str, user: str, extra: str) -> None:
    if find_spec(module) is None:
        raise MissingDependency(f"{user} needs {module}, which is not installed", fix=install_command(extra))
