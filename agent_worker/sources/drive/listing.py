"""The files below a folder: listed completely the first time and once a day, from then on by the changes since.

Each folder is asked for alone: a query that joins several by ``or`` finds nothing if one of them cannot be seen
(https://github.com/googleapis/google-api-ruby-client/issues/1569)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from agent_worker.sources.drive.client import DriveClient, DriveForbidden
from agent_worker.sources.drive.files import (
    FIELDS,
    SHORTCUT,
    DriveFile,
    FileEntry,
    FileTree,
    StoredTree,
    SyncMemory,
    parse_files,
)
from schemas.errors import InvalidRequest, NotFound, Unavailable

_PAGE_SIZE = "1000"
_ALL_DRIVES = {"supportsAllDrives": "true", "includeItemsFromAllDrives": "true"}


@dataclass(frozen=True, slots=True)
class FileListing:
    """``is_complete`` False: Drive did not search everything, so what is missing may still be there. ``was_relisted``:
    all folders were listed."""

    files: list[FileEntry]
    is_complete: bool
    was_relisted: bool


class FolderNotFound(NotFound):
    """The folder is deleted, or no longer shared with the account."""


class FolderReader:
    """``account`` is whom a folder must be shared with."""

    def __init__(self, client: DriveClient, account: str) -> None:
        self._client = client
        self._account = account
        self._corpora: dict[str, Mapping[str, str]] = {"": {}}
        self._is_complete = True

    async def read(self, folder: str, memory: SyncMemory, now: float, relist_s: float) -> FileListing:
        """Raises what the client raises, and FolderNotFound."""
        root = await self._root(folder)
        stored = memory.tree
        tree = None
        if stored is not None and stored.root != root.id:
            stored = None
        if stored is not None and 0 <= now - stored.listed_at < relist_s:
            tree = await self._update(root, stored, memory)
        was_relisted = tree is None
        if tree is None:
            tree = await self._list_all(root, stored, memory, now)
        linked = await self._list_linked(tree)
        return FileListing(list(tree.reachable(linked)), self._is_complete, was_relisted)

    async def _root(self, folder: str) -> DriveFile:
        try:
            root = await self._file(folder)
        except (NotFound, DriveForbidden) as error:
            if isinstance(error, DriveForbidden) and error.concerns_all:
                raise
            root = None
        if root is None or root.trashed:
            raise FolderNotFound(
                f"drive://{folder}: {'in the trash' if root else 'not found, or not shared with the account'}",
                fix=f"share the folder with {self._account} as a viewer, or correct the id; if it is gone for good, "
                "remove the source",
            )
        return root

    async def _file(self, id: str) -> DriveFile | None:
        value = await self._client.drive(f"files/{id}", {"fields": FIELDS, "supportsAllDrives": "true"})
        try:
            return DriveFile.model_validate(value)
        except ValidationError:
            return None

    # ── everything ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _list_all(self, root: DriveFile, stored: StoredTree | None, memory: SyncMemory, now: float) -> FileTree:
        """The token is fetched before, so that a change during the listing comes with the next sync. The changes since
        the last sync are applied, too: a listing may lack what came just before it."""
        if not root.drive and not root.parents and await self._corpus(root.id):
            root = root.model_copy(update={"drive": root.id})  # the root of a shared drive
        token = await self._start_token(root.drive)
        tree = FileTree(root)
        if root.is_folder:
            async for file in self._list_below(root):
                tree.add(file)
        tree.prune()
        if token and stored is not None and stored.drive == root.drive:
            with suppress(InvalidRequest, NotFound, DriveForbidden):  # the older token is not valid any more
                token = await self._replay(tree, stored)
        if self._is_complete:
            files = tuple(tree.files.values())
            listed = StoredTree(root=root.id, token=token, listed_at=now, drive=root.drive, files=files)
            memory.set_tree(listed if token else None)
        return tree

    async def _start_token(self, drive: str) -> str:
        """Empty for a folder of a shared drive that the account is no member of: the drive's changes are closed to it,
        and the account's own do not state all of them."""
        if drive and not await self._corpus(drive):
            return ""
        params = {"supportsAllDrives": "true"} | ({"driveId": drive} if drive else {})
        return str((await self._client.drive("changes/startPageToken", params)).get("startPageToken", ""))

    async def _list_below(self, folder: DriveFile) -> AsyncIterator[DriveFile]:
        """Everything in the folder and its folders; of a whole shared drive, everything at once."""
        corpus = await self._corpus(folder.drive)
        if folder.drive == folder.id and corpus:
            async for file in self._query("trashed = false", corpus):
                yield file
            return
        queue, seen = [folder.id], {folder.id}
        while queue:
            try:
                async for file in self._query(f"'{queue.pop()}' in parents and trashed = false", corpus):
                    if file.is_folder and file.id not in seen:
                        seen.add(file.id)
                        queue.append(file.id)
                    yield file
            except NotFound:
                continue  # no longer shared since its parent was listed

    async def _query(self, query: str, corpus: Mapping[str, str]) -> AsyncIterator[DriveFile]:
        params = {
            "q": query,
            "fields": f"nextPageToken,incompleteSearch,files({FIELDS})",
            "pageSize": _PAGE_SIZE,
            **_ALL_DRIVES,
            **corpus,
        }
        async for page in self._pages("files", params):
            self._is_complete = self._is_complete and not page.get("incompleteSearch")
            for file in parse_files(page.get("files")):
                yield file

    async def _pages(self, path: str, params: Mapping[str, str]) -> AsyncIterator[dict[str, Any]]:
        seen: set[str] = set()
        token = params.get("pageToken", "")
        while True:
            page = await self._client.drive(path, dict(params) | ({"pageToken": token} if token else {}))
            yield page
            token = str(page.get("nextPageToken", ""))
            if not token:
                return
            if token in seen:
                raise Unavailable("drive: Google lists the same page over and over")
            seen.add(token)

    async def _corpus(self, drive: str) -> Mapping[str, str]:
        """The parameters that search one shared drive; empty if the account is no member of it."""
        if drive not in self._corpora:
            try:
                await self._client.drive(f"drives/{drive}", {"fields": "id"})
                self._corpora[drive] = {"corpora": "drive", "driveId": drive}
            except (NotFound, DriveForbidden):
                self._corpora[drive] = {}
        return self._corpora[drive]

    # ── changes ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _update(self, root: DriveFile, stored: StoredTree, memory: SyncMemory) -> FileTree | None:
        """The stored tree with the changes since then; None if they cannot be read."""
        tree = FileTree(root, stored.files)
        if stored.drive:
            self._corpora[stored.drive] = {"corpora": "drive", "driveId": stored.drive}
        try:
            token = await self._replay(tree, stored)
        except (InvalidRequest, NotFound, DriveForbidden):
            self._corpora = {"": {}}
            return None  # the token is too old, or the account is no longer a member of the drive
        if self._is_complete:
            memory.set_tree(stored.model_copy(update={"token": token, "files": tuple(tree.files.values())}))
        return tree

    async def _replay(self, tree: FileTree, stored: StoredTree) -> str:
        """Apply the changes since the stored token, and return the next one."""
        token, new_folders = await self._apply_changes(tree, stored)
        for folder in new_folders:
            if folder.id in tree.files:
                async for file in self._list_below(folder):
                    tree.add(file)
        tree.prune()
        return token

    async def _apply_changes(self, tree: FileTree, stored: StoredTree) -> tuple[str, list[DriveFile]]:
        """The next token, and folders whose content is not known: changes do not state what a folder brings along."""
        params = {
            "pageToken": stored.token,
            "fields": f"nextPageToken,newStartPageToken,changes(changeType,removed,fileId,file({FIELDS}))",
            "pageSize": _PAGE_SIZE,
            **_ALL_DRIVES,
            **({"driveId": stored.drive} if stored.drive else {}),
        }
        new_folders: list[DriveFile] = []
        token = ""
        async for page in self._pages("changes", params):
            token = str(page.get("newStartPageToken", "")) or token
            new_folders += [folder for change in page.get("changes", ()) if (folder := _apply(tree, change))]
        if not token:
            raise InvalidRequest("drive: the changes end without a token for the next ones")
        return token, new_folders

    # ── shortcuts ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _list_linked(self, tree: FileTree) -> dict[str, DriveFile]:
        """Files outside the tree that its shortcuts lead to. They are read anew each time, as no changes tell of
        them."""
        linked: dict[str, DriveFile] = {}
        queue, seen = [each.target for each in tree.files.values() if each.type == SHORTCUT], set(tree.files)
        while queue:
            id = queue.pop()
            if not id or id in seen:
                continue
            seen.add(id)
            try:
                file = await self._file(id)
            except (NotFound, DriveForbidden, InvalidRequest):
                continue  # a broken shortcut
            if file is None or file.trashed:
                continue
            linked[file.id] = file
            if file.is_folder:
                async for child in self._list_below(file):
                    linked.setdefault(child.id, child)
                    seen.add(child.id)
                    queue += [child.target] if child.type == SHORTCUT else []
        return linked


def _apply(tree: FileTree, change: Any) -> DriveFile | None:
    """Returns a folder that came into the tree."""
    if not isinstance(change, dict) or change.get("changeType", "file") != "file":
        return None
    id = str(change.get("fileId", ""))
    files = [] if change.get("removed") else parse_files([change.get("file")])
    if not files or files[0].trashed or not tree.has_folder(files[0].parents):
        tree.remove(id)
        return None
    is_new = files[0].id not in tree.files
    tree.add(files[0])
    return files[0] if files[0].is_folder and is_new else None
