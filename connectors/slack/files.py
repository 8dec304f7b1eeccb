"""Files as messages of Slack tell of them."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from connectors.markup import printable
from connectors.slack.places import Id, Vendor
from schemas.messages import FileKind, RemoteFile

_KINDS: dict[str, FileKind] = {"image": "image", "video": "video", "audio": "audio"}
_RECORDED: dict[str, FileKind] = {"slack_audio": "voice", "slack_video": "video"}


class File(Vendor):
    """In a channel that is shared with another workspace only the id is told (``file_access: check_file_info``)."""

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
    def missing(self) -> str:
        """Why it cannot be fetched, empty if it can."""
        if self.mode in ("tombstone", "hidden_by_limit"):
            return "deleted_file"
        return "external_file" if self.is_external or self.mode == "external" else ""

    @property
    def kind(self) -> FileKind:
        return _RECORDED.get(self.subtype or "") or _KINDS.get((self.mimetype or "").partition("/")[0], "file")

    def remote(self) -> RemoteFile:
        return RemoteFile(
            ref=self.id,
            name=printable(self.name or self.title or ""),
            kind=self.kind,
            type=printable(self.mimetype or ""),
            size=max(self.size or 0, 0),
        )


def sent_along(files: Any) -> tuple[list[RemoteFile], str]:
    """What can be fetched of a message's files, and the name of what cannot ("" if all can)."""
    told = [_file(each) for each in files] if isinstance(files, list) else []
    missing = next((file.missing if file else "file" for file in told if file is None or file.missing), "")
    return [file.remote() for file in told if file and not file.missing], missing


def _file(told: Any) -> File | None:
    try:
        return File.model_validate(told)
    except ValidationError:
        return None
