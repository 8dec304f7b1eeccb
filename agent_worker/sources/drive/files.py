"""Files of Drive, the tree that their parents make, and the record of what was read."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Collection, Iterable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any

from pydantic import AliasPath, BaseModel, ConfigDict, Field, ValidationError
from yarl import URL

FOLDER = "application/vnd.google-apps.folder"
SHORTCUT = "application/vnd.google-apps.shortcut"
FIELDS = (
    "id,name,mimeType,parents,trashed,modifiedTime,md5Checksum,size,webViewLink,driveId,"
    "shortcutDetails(targetId),capabilities(canDownload)"
)
"""The fields of a file that are asked for."""
_MAX_NAME = 300


class DriveFile(BaseModel):
    """A file, folder or shortcut, as the API and the memory state it. ``drive``: the shared drive it is in."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_name=True)

    id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,200}$")
    name: str = ""
    type: str = Field(default="", validation_alias="mimeType")
    parents: tuple[str, ...] = ()
    trashed: bool = False
    modified: str = Field(default="", validation_alias="modifiedTime")
    checksum: str = Field(default="", validation_alias="md5Checksum")
    size: int = 0
    link: str = Field(default="", validation_alias="webViewLink")
    drive: str = Field(default="", validation_alias="driveId")
    target: str = Field(default="", validation_alias=AliasPath("shortcutDetails", "targetId"))
    can_download: bool = Field(default=True, validation_alias=AliasPath("capabilities", "canDownload"))

    @property
    def is_folder(self) -> bool:
        return self.type == FOLDER

    @property
    def label(self) -> str:
        """The name as a part of a path."""
        return " ".join(self.name.split()).replace("/", "_")[:_MAX_NAME] or self.id

    @property
    def url(self) -> str:
        """The address that people open."""
        try:
            link = URL(self.link)
        except ValueError:
            link = URL()
        is_google = link.scheme == "https" and f".{link.host or ''}".endswith(".google.com")
        return self.link if is_google else f"https://drive.google.com/open?id={self.id}"

    @property
    def mark(self) -> str:
        """Changes with the content, the name and the link. ``version`` would also change with views and comments."""
        parts = (self.name, self.type, self.checksum or self.modified, self.link, str(self.can_download))
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:20]

    def dump(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_defaults=True)


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file below the location. ``path`` is for people."""

    file: DriveFile
    path: str


def parse_files(values: object) -> list[DriveFile]:
    """The files of an answer. What is not a file is left out."""
    found = []
    for value in values if isinstance(values, list) else []:
        try:
            found.append(DriveFile.model_validate(value))
        except ValidationError:
            continue
    return found


class FileTree:
    """Files by id. What counts is what can be reached from the root, by parents and shortcuts."""

    def __init__(self, root: DriveFile, files: Iterable[DriveFile] = ()) -> None:
        self.root = root
        self.files = {each.id: each for each in files}
        self.files[root.id] = root

    def has_folder(self, ids: Collection[str]) -> bool:
        return any(id in self.files and self.files[id].is_folder for id in ids)

    def add(self, file: DriveFile) -> None:
        if not file.trashed and file.id != self.root.id:
            self.files[file.id] = file

    def remove(self, id: str) -> None:
        if id != self.root.id:
            self.files.pop(id, None)

    def prune(self) -> None:
        """Drop what is not below the root any more."""
        kept = {file.id: file for file, _path in self._walk({})}
        self.files = kept

    def reachable(self, linked: dict[str, DriveFile]) -> Iterator[FileEntry]:
        """Every file once, wherever it is linked from. ``linked``: targets of shortcuts that are elsewhere."""
        for file, path in self._walk(linked, follow=True):
            if not file.is_folder and file.type != SHORTCUT:
                yield FileEntry(file, path)

    def _walk(self, linked: dict[str, DriveFile], *, follow: bool = False) -> Iterator[tuple[DriveFile, str]]:
        everything = linked | self.files
        children: dict[str, list[DriveFile]] = {}
        for file in everything.values():
            for parent in file.parents:
                children.setdefault(parent, []).append(file)
        queue, seen = deque([(self.root, self.root.label)]), {self.root.id}
        while queue:
            file, path = queue.popleft()
            yield file, path
            targets = [everything[file.target]] if follow and file.target in everything else []
            for next_file in [*(children.get(file.id, ()) if file.is_folder else ()), *targets]:
                if next_file.id not in seen:
                    seen.add(next_file.id)
                    queue.append((next_file, f"{path}/{next_file.label}"))


class ReadRecord(BaseModel):
    """A file that was read. ``ids``: the documents made of it. ``why``: the reason if it cannot be one."""

    model_config = ConfigDict(frozen=True)

    mark: str
    ids: tuple[str, ...] = ()
    why: str = ""


class SyncMemory:
    """Works on the memory of a source in place. Everything in it may be lost; then it is read again.

    A record is written only after its documents were taken, so that a kill in between reads the file again."""

    def __init__(self, memory: MutableMapping[str, Any]) -> None:
        self._memory = memory
        if not isinstance(memory.get("read"), dict):
            memory["read"] = {}
        self._read: dict[str, Any] = memory["read"]

    def record_of(self, id: str) -> ReadRecord | None:
        try:
            return ReadRecord.model_validate(self._read[id])
        except (KeyError, ValidationError):
            return None

    def set_record(self, id: str, record: ReadRecord) -> None:
        self._read[id] = record.model_dump(mode="json", exclude_defaults=True)

    def forget_others(self, ids: Collection[str]) -> None:
        """After a complete sync, drop the records of files that are gone."""
        for id in self._read.keys() - set(ids):
            del self._read[id]

    @property
    def tree(self) -> StoredTree | None:
        try:
            return StoredTree.model_validate(self._memory["tree"])
        except (KeyError, ValidationError):
            return None

    def set_tree(self, tree: StoredTree | None) -> None:
        """Files and page token are set together, because each holds only with the other."""
        self._memory.pop("tree", None)
        if tree is not None:
            self._memory["tree"] = tree.model_dump(mode="json", exclude_defaults=True)


class StoredTree(BaseModel):
    """The files below ``root`` as of the page token. ``drive``: the shared drive whose changes are read, or empty for
    those of the account. ``listed_at``: when all folders were listed (Unix time)."""

    model_config = ConfigDict(frozen=True)

    root: str
    token: str
    listed_at: float
    drive: str = ""
    files: tuple[DriveFile, ...] = ()
