"""The text of a message with voice notes: what the contact wrote, followed by what they said."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.messages import Attachment, TranscriptMessage


def is_audio(file: Attachment) -> bool:
    return file.type.startswith("audio/")


def join_speech(written: str, files: Iterable[Attachment]) -> str:
    """The text of a message with these files."""
    said = _list_texts(files)
    return "\n".join(filter(None, (written.strip(), *said))) if said else written


def find_written_text(line: TranscriptMessage) -> str:
    """The part of a line's text that was written, without what voice notes say."""
    said = "\n".join(_list_texts(line.attachments))
    return line.text.removesuffix(said).rstrip("\n") if said else line.text


def _list_texts(files: Iterable[Attachment]) -> list[str]:
    return [file.speech.text for file in files if file.speech is not None and file.speech.text]
