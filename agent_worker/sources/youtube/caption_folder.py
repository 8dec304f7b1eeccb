"""Caption files in a folder, named after the videos' ids: ``dQw4w9WgXcQ.en.vtt``, ``Repotting [dQw4w9WgXcQ].srt``."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent_worker.knowledge.text.documents import check_size, decode
from agent_worker.sources.captions import CaptionFormat, Cue, read_cues
from agent_worker.sources.youtube.video_memory import FILE
from schemas.errors import SetupError, Unprocessable

_ID_LENGTH = 11
_LANGUAGE = re.compile(r"\.([A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8}){0,3})\.(?:vtt|srt)$")
_FORMATS: dict[str, CaptionFormat] = {".vtt": "vtt", ".srt": "srt"}


@dataclass(frozen=True, slots=True)
class CaptionFile:
    """``language`` is the one in the name, if any."""

    path: Path
    language: str

    @property
    def is_automatic(self) -> bool:
        return False

    @property
    def fingerprint(self) -> str:
        """Raises OSError."""
        status = self.path.stat()
        return f"{FILE}{self.path.name} {status.st_mtime_ns} {status.st_size}"

    def read(self) -> tuple[list[Cue], str]:
        """The cues, and the fingerprint of this version. Blocking. Raises Unprocessable and DocumentTooLarge."""
        try:
            fingerprint = self.fingerprint
            check_size(self.path.name, self.path.stat().st_size)
            data = self.path.read_bytes()
        except OSError as error:
            raise Unprocessable(f"{self.path.name}: cannot be read ({error.strerror})") from error
        text = decode(self.path.name, data)
        return read_cues(self.path.name, text, _FORMATS[self.path.suffix.lower()]), fingerprint


def find_files(folder: Path, ids: Collection[str]) -> dict[str, list[CaptionFile]]:
    """The caption files of these videos, by video. Blocking. Raises SetupError for a missing folder."""
    if not folder.is_dir():
        raise SetupError(
            f"{folder}: there is no such folder", fix="check `folder` in the options of the YouTube source"
        )
    found: dict[str, list[CaptionFile]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in _FORMATS or path.name.startswith(".") or not path.is_file():
            continue
        if video := _video_of(path.stem, ids):
            language = _LANGUAGE.search(path.name)
            found.setdefault(video, []).append(CaptionFile(path, language[1] if language else ""))
    return found


def _video_of(stem: str, ids: Collection[str]) -> str:
    places: Sequence[int] = range(len(stem) - _ID_LENGTH + 1)
    return next((id for place in places if (id := stem[place : place + _ID_LENGTH]) in ids), "")
