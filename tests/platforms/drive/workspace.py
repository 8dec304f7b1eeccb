"""A shop's files in Drive, shared with a service account, and the settings of a source that reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from tests.platforms.drive.items import DOCUMENT, FOLDER, PRESENTATION, SHORTCUT, SPREADSHEET
from tests.platforms.drive.server_state import DriveServer

ACCOUNT = "parley@shop.iam.gserviceaccount.com"
OWNER = "owner@shop.example"


class DriveWorkspace:
    """``root`` is a folder of My Drive; ``team`` a shared drive, of which the account is a member."""

    def __init__(self, server: DriveServer) -> None:
        self.server = server
        self.items = server.items
        self.items.accounts = {ACCOUNT, OWNER}
        self.account = server.tokens.add_service_account(ACCOUNT)
        self.root = self.items.add("Help", FOLDER, shared_with=frozenset({ACCOUNT}))
        self.team = self.items.add_drive("Team", ACCOUNT)

    def options(self, **more: Any) -> dict[str, Any]:
        """Of a source with the key of the service account."""
        key = self.account.key_file(f"{self.server.url}/token")
        return {"service_account": key, **self.addresses, **more}

    @property
    def addresses(self) -> dict[str, Any]:
        return {"api_url": self.server.url, "private_hosts": [self.server.host]}

    def folder(self, name: str, parent: str) -> str:
        return self.items.add(name, FOLDER, parent)

    def document(self, name: str, markdown: str, parent: str, **more: Any) -> str:
        return self.items.add(name, DOCUMENT, parent, exports=document_exports(markdown), **more)

    def edit_document(self, id: str, markdown: str) -> None:
        self.items.edit(id, exports=document_exports(markdown))

    def slides(self, name: str, text: str, parent: str) -> str:
        exports = {"text/plain": b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()}
        return self.items.add(name, PRESENTATION, parent, exports=exports)

    def spreadsheet(self, name: str, parent: str, *sheets: dict[str, Any]) -> str:
        return self.items.add(name, SPREADSHEET, parent, sheets=sheets)

    def file(self, name: str, type: str, data: bytes, parent: str) -> str:
        return self.items.add(name, type, parent, data=data)

    def shortcut(self, name: str, target: str, parent: str) -> str:
        return self.items.add(name, SHORTCUT, parent, target=target)

    def fill(self, count: int, parent: str, folders: int = 20) -> list[str]:
        """Documents of different sentences, in folders of folders."""
        inside = [parent]
        for number in range(folders):
            inside.append(self.folder(f"Folder {number}", inside[number // 4]))
        return [
            self.document(f"Article {number}", article(number), inside[number % len(inside)]) for number in range(count)
        ]


async def kill_after(server: DriveServer, work: Coroutine[Any, Any, object], requests: int) -> None:
    """Run the work, and cancel it once it made so many requests, wherever it is then."""
    left = requests

    def count() -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            running.cancel()

    running = asyncio.ensure_future(work)
    server.on_request = count
    await asyncio.wait([running])
    server.on_request = lambda: None
    if not running.cancelled() and (error := running.exception()):
        raise error


def article(number: int, price: int = 7) -> str:
    """A text that no other number has."""
    return f"# Article {number}\n\n## What does plant {number} cost?\n\nPlant {number} costs {price} euro.\n"


def document_exports(markdown: str) -> dict[str, bytes]:
    return {"text/markdown": markdown.encode(), "text/plain": b"\xef\xbb\xbf" + markdown.encode()}


def sheet(id: int, title: str, *rows: tuple[Any, ...], **more: Any) -> dict[str, Any]:
    """A sheet as the Sheets API gives it. A cell is a text, or a text and a link. ``hidden_rows`` and
    ``hidden_columns`` are indexes."""
    hidden_rows, hidden_columns = more.pop("hidden_rows", ()), more.pop("hidden_columns", ())
    width = max((len(row) for row in rows), default=0)
    grid = {
        "rowData": [{"values": [_cell(cell) for cell in row]} if row else {} for row in rows],
        "rowMetadata": [{"pixelSize": 21, "hiddenByUser": at in hidden_rows} for at in range(len(rows))],
        "columnMetadata": [{"pixelSize": 100, "hiddenByUser": at in hidden_columns} for at in range(width)],
    }
    return {"properties": {"sheetId": id, "title": title, "sheetType": "GRID", **more}, "data": [grid]}


def _cell(cell: Any) -> dict[str, Any]:
    if isinstance(cell, tuple):
        return {"formattedValue": cell[0], "hyperlink": cell[1]}
    return {"formattedValue": cell, "effectiveFormat": {}} if cell else {}
