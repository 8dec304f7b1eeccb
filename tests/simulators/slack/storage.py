"""Files: what was uploaded, and the object by which messages and ``files.info`` tell of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.simulators.slack.workspace import Json, Person
from tests.simulators.vendor import File


@dataclass
class StoredFile:
    about: Json
    file: File
    deleted: bool = False


@dataclass
class Promise:
    """An upload that was asked for: ``data`` is None until it came."""

    id: str
    name: str
    length: int
    alt_text: str = ""
    data: bytes | None = None
    type: str = ""


@dataclass
class Storage:
    kept: dict[str, StoredFile] = field(default_factory=dict)
    promised: dict[str, Promise] = field(default_factory=dict)
    """By the upload's ticket."""

    def add(self, file: File, id: str, owner: Person, origin: str, now: int, title: str = "") -> Json:
        kind = file.name.rpartition(".")[2].casefold() if "." in file.name else "text"
        url = f"{origin}/files-pri/{owner.team}-{id}"
        about: Json = {
            "id": id,
            "created": now,
            "timestamp": now,
            "name": file.name,
            "title": title or file.name,
            "mimetype": file.type,
            "filetype": kind,
            "pretty_type": kind.upper(),
            "user": owner.id,
            "user_team": owner.team,
            "editable": False,
            "size": len(file.data),
            "mode": "hosted",
            "is_external": False,
            "external_type": "",
            "is_public": True,
            "public_url_shared": False,
            "display_as_bot": False,
            "url_private": f"{url}/{file.name}",
            "url_private_download": f"{url}/download/{file.name}",
            "permalink": f"{origin}/files/{owner.id}/{id}/{file.name}",
            "has_rich_preview": False,
            "file_access": "visible",
        }
        self.kept[id] = StoredFile(about, file)
        return about

    def content(self, id: str) -> File:
        return self.kept[id].file

    def share(self, id: str, channel: str, *, private: bool, ts: str, thread_ts: str = "") -> None:
        """Note where a file is seen. Only ``files.info`` tells."""
        entry = {"ts": ts, **({"thread_ts": thread_ts} if thread_ts else {})}
        shares = self.kept[id].about.setdefault("shares", {})
        shares.setdefault("private" if private else "public", {}).setdefault(channel, []).append(entry)
