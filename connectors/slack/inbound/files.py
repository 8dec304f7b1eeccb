"""Files in Slack's messages."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from connectors.markup import clean_text
from connectors.slack.places import Id, SlackModel
from schemas.messages import FileKind, RemoteFile

_KINDS: dict[str, FileKind] = {"image": "image", "video": "video", "audio": "audio"}
_RECORDINGS: dict[str, FileKind] = {"slack_audio": "voice", "slack_video": "video"}


class File(SlackModel):
    """In a channel shared with another workspace only the id is given (``file_access: check_file_info``)."""

    id: Id
    name: str | None = None
    title: str | None = None
    mimetype: str | None = None
    size: int | None = None
    mode: str | None = None
    subtype: str | None = None
    is_external: bool | None = None
    url_private: str | None = None
    url_private_download: str | None = None

    @property
    def missing_reason(self) -> str:
        """The reason why the file cannot be fetched, empty if it can."""
        if self.mode in ("tombstone", "hidden_by_limit"):
            return "deleted_file"
        return "external_file" if self.is_external or self.mode == "external" else ""

    @property
    def kind(self) -> FileKind:
        return _RECORDINGS.get(self.subtype or "") or _KINDS.get((self.mimetype or "").partition("/")[0], "file")

    def to_remote_file(self) -> RemoteFile:
        return RemoteFile(
            ref=self.id,
            name=clean_text(self.name or self.title or ""),
            kind=self.kind,
            type=clean_text(self.mimetype or ""),
            size=max(self.size or 0, 0),
        )


def parse_files(files: Any) -> tuple[list[RemoteFile], str]:
    """Return the files that can be fetched, and the reason why one cannot ("" if all can)."""
    parsed = [_parse_file(each) for each in files] if isinstance(files, list) else []
    reason = next(
        (file.missing_reason if file else "file" for file in parsed if file is None or file.missing_reason), ""
    )
    return [file.to_remote_file() for file in parsed if file and not file.missing_reason], reason


def _parse_file(raw: Any) -> File | None:
    try:
        return File.model_validate(raw)
    except ValidationError:
        return None
