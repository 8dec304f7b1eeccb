"""Transcription on this machine with faster-whisper, in a process of its own that loads the model once."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from agent_worker.isolated_process import IsolatedProcess
from schemas.errors import ConfigInvalid, MissingDependency
from schemas.messages import Speech
from schemas.ports import TranscriberOptions
from schemas.runtime.optional_dependencies import install_command

MODEL_FILES = ("model.bin", "config.json", "tokenizer.json")
_NO_LIMIT = 3_600.0
"""The caller limits the time."""


class WhisperTranscriber:
    """``schemas.ports.Transcriber`` with one process: notes are transcribed one after another."""

    def __init__(self, folder: Path, threads: int) -> None:
        self._process = IsolatedProcess("agent_worker.transcription.whisper_process", str(folder), str(threads))

    async def transcribe(self, audio: bytes, language: str) -> Speech:
        answer, _ = await self._process.ask({"language": language}, audio, seconds=_NO_LIMIT)
        return Speech.model_validate(answer)

    async def close(self) -> None:
        await self._process.close()


def open_whisper(options: TranscriberOptions) -> WhisperTranscriber:
    """Raises MissingDependency, and ConfigInvalid if the model is not there: it is never downloaded meanwhile."""
    if find_spec("faster_whisper") is None:
        raise MissingDependency(
            "a transcriber with `provider: faster-whisper` needs faster-whisper, which is not installed",
            fix=install_command("whisper"),
        )
    folder = Path(options.model)
    if missing := [name for name in MODEL_FILES if not (folder / name).is_file()]:
        raise ConfigInvalid(
            f"the speech model in {folder} lacks {missing[0]}",
            fix="run `make speech-model`, or name the folder of a model for faster-whisper in `model`",
        )
    return WhisperTranscriber(folder, options.threads)
