"""Files, folders, shortcuts and shared drives, who may see them, and the logs of their changes.

- My Drive: permissions of a folder are inherited; an item is seen by whom it or one of its ancestors is shared with
  (https://developers.google.com/workspace/drive/api/guides/manage-sharing).
- An item with limited access does not inherit permissions
  (https://developers.google.com/workspace/drive/api/guides/limited-expansive-access).
- Shared drives: members see everything; others see items that are shared with them one by one, with what is below
  (https://developers.google.com/workspace/drive/api/guides/about-shareddrives).
- Each account and each shared drive has a log. An entry is the current state of an item, a newer one replaces it, and
  an item that is gone or no longer shared is marked as removed
  (https://developers.google.com/workspace/drive/api/guides/about-changes).
- Items of a shared drive are in its log only; what is shared with a non-member one by one is in the log of the account
  (https://developers.google.com/workspace/drive/api/guides/about-changelogs).
- When a folder moves, only the folder gets an entry (https://github.com/rclone/rclone/pull/2606). Here that holds for
  trash, deletion and permissions too, which is the harder case.
- Trashing a folder trashes what is in it: ``trashed`` is true for items below
  (https://developers.google.com/workspace/drive/api/guides/delete)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

FOLDER = "application/vnd.google-apps.folder"
SHORTCUT = "application/vnd.google-apps.shortcut"
DOCUMENT = "application/vnd.google-apps.document"
SPREADSHEET = "application/vnd.google-apps.spreadsheet"
PRESENTATION = "application/vnd.google-apps.presentation"
_LINKS = {
    DOCUMENT: "https://docs.google.com/document/d/{}/edit?usp=drivesdk",
    SPREADSHEET: "https://docs.google.com/spreadsheets/d/{}/edit?usp=drivesdk",
    PRESENTATION: "https://docs.google.com/presentation/d/{}/edit?usp=drivesdk",
    FOLDER: "https://drive.google.com/drive/folders/{}",
}


@dataclass(frozen=True)
class Item:
    """``data``: the bytes of a file. ``exports``: media type → export of a Google document. ``sheets``: the sheets of a
    spreadsheet, as the Sheets API gives them."""

    id: str
    name: str
    type: str
    parent: str = ""
    drive: str = ""
    data: bytes = b""
    exports: dict[str, bytes] = field(default_factory=dict)
    sheets: tuple[dict[str, Any], ...] = ()
    target: str = ""
    modified: int = 0
    trashed: bool = False
    can_download: bool = True
    inherits: bool = True
    shared_with: frozenset[str] = frozenset()

    @property
    def is_google(self) -> bool:
        return self.type.startswith("application/vnd.google-apps.")


class DriveItems:
    """All items and the logs. Methods that change something are what people do in Drive."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self.members: dict[str, set[str]] = {}
        self.accounts: set[str] = set()
        self.logs: dict[str, dict[str, int]] = {}
        self.sequence = 1000
        self._number = 0

    # ── what people do ───────────────────────────────────────────────────────────────────────────────────────────────

    def add(self, name: str, type: str, parent: str = "", **more: Any) -> str:
        self._number += 1
        id = "1" + hashlib.sha256(f"item {self._number}".encode()).hexdigest()[:32]
        drive = self.items[parent].drive if parent else ""
        self._put(Item(id, name, type, parent, drive, modified=self._number, **more))
        return id

    def add_drive(self, name: str, *members: str) -> str:
        """A shared drive, whose root folder has its id and the name Drive."""
        self._number += 1
        id = "0A" + hashlib.sha256(f"drive {self._number}".encode()).hexdigest()[:17]
        self.members[id] = set(members)
        self._put(Item(id, "Drive", FOLDER, drive=id, modified=self._number))
        return id

    def edit(self, id: str, **changes: Any) -> None:
        self._number += 1
        self._put(replace(self.items[id], modified=self._number, **changes))

    def rename(self, id: str, name: str) -> None:
        """It leaves ``modifiedTime`` as it is."""
        self._put(replace(self.items[id], name=name))

    def move(self, id: str, parent: str) -> None:
        """Into another drive, too."""
        drive = self.items[parent].drive if parent else ""
        for each in self._below(id):
            self.items[each] = replace(self.items[each], drive=drive)
        self._put(replace(self.items[id], parent=parent, drive=drive))

    def trash(self, id: str, *, trashed: bool = True) -> None:
        self._put(replace(self.items[id], trashed=trashed))

    def share(self, id: str, account: str) -> None:
        self._put(replace(self.items[id], shared_with=self.items[id].shared_with | {account}))

    def unshare(self, id: str, account: str) -> None:
        self._put(replace(self.items[id], shared_with=self.items[id].shared_with - {account}))

    def limit_access(self, id: str) -> None:
        self._put(replace(self.items[id], inherits=False))

    def allow_download(self, id: str, allowed: bool) -> None:
        self._put(replace(self.items[id], can_download=allowed))

    def delete(self, id: str) -> None:
        seen, drive = self._seen_by(id), self.items[id].drive
        for each in [*self._below(id), id]:
            del self.items[each]
        self._log(id, seen, drive)

    def remove_member(self, drive: str, account: str) -> None:
        self.members[drive].discard(account)

    # ── what accounts see ────────────────────────────────────────────────────────────────────────────────────────────

    def sees(self, account: str, id: str) -> bool:
        for each in self._upwards(id):
            if account in each.shared_with or (each.id == each.drive and account in self.members[each.id]):
                return True
            if not each.inherits:
                return False
        return False

    def is_trashed(self, id: str) -> bool:
        return any(each.trashed for each in self._upwards(id))

    def changes(self, log: str, since: int) -> list[tuple[int, str]]:
        entries = self.logs.get(log, {})
        return sorted((number, id) for id, number in entries.items() if number >= since)

    def _put(self, item: Item) -> None:
        before = self._seen_by(item.id)
        old_drive = self.items[item.id].drive if item.id in self.items else ""
        self.items[item.id] = item
        self._log(item.id, before | self._seen_by(item.id), old_drive)

    def _seen_by(self, id: str) -> set[str]:
        return {account for account in self.accounts if self.sees(account, id)}

    def _log(self, id: str, accounts: set[str], old_drive: str) -> None:
        self.sequence += 1
        drive = self.items[id].drive if id in self.items else old_drive
        for log in {drive, old_drive} - {""}:
            self.logs.setdefault(log, {})[id] = self.sequence
        for account in accounts:
            if account not in self.members.get(drive, ()):
                self.logs.setdefault(account, {})[id] = self.sequence

    def _upwards(self, id: str) -> Iterator[Item]:
        seen: set[str] = set()
        while id in self.items and id not in seen:
            seen.add(id)
            yield self.items[id]
            id = self.items[id].parent

    def _below(self, id: str) -> list[str]:
        return [each for each in self.items if each != id and any(up.id == id for up in self._upwards(each))]


def render(items: DriveItems, item: Item, account: str) -> dict[str, Any]:
    """The file resource (https://developers.google.com/workspace/drive/api/reference/rest/v3/files). ``parents`` is
    absent when the account cannot see the parent. The root of a shared drive may state no drive."""
    out: dict[str, Any] = {
        "kind": "drive#file",
        "id": item.id,
        "name": item.name,
        "mimeType": item.type,
        "trashed": items.is_trashed(item.id),
        "modifiedTime": f"2026-01-{1 + item.modified // 86400:02}T{item.modified // 3600 % 24:02}:"
        f"{item.modified // 60 % 60:02}:{item.modified % 60:02}.000Z",
        "version": str(items.sequence),
        "webViewLink": _LINKS.get(item.type, "https://drive.google.com/file/d/{}/view?usp=drivesdk").format(item.id),
        "capabilities": {"canDownload": item.can_download, "canEdit": False},
        "owners": [{"emailAddress": "owner@shop.example"}],
    }
    if item.parent and items.sees(account, item.parent):
        out["parents"] = [item.parent]
    if item.drive and item.drive != item.id:
        out["driveId"] = item.drive
    if item.target:
        out["shortcutDetails"] = {"targetId": item.target, "targetMimeType": FOLDER}
    if not item.is_google:
        out |= {"md5Checksum": hashlib.md5(item.data).hexdigest(), "size": str(len(item.data))}
    return out
