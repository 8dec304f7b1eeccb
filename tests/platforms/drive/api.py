"""The REST APIs: Drive v3 and Sheets v4, as far as reading goes.

- ``files.list``: ``pageSize`` 1 to 1000, 100 unless given; pages may be shorter than asked for; ``nextPageToken``;
  ``incompleteSearch``; ``corpora=drive`` needs ``driveId``, ``supportsAllDrives`` and
  ``includeItemsFromAllDrives``, and is closed to those who are no members
  (https://developers.google.com/workspace/drive/api/reference/rest/v3/files/list).
- One parent that cannot be seen is a 404; several joined by ``or``, of which one cannot be seen, find nothing
  (https://github.com/googleapis/google-api-ruby-client/issues/1569).
- Items of shared drives do not exist for requests without ``supportsAllDrives``
  (https://developers.google.com/workspace/drive/api/guides/enable-shareddrives).
- ``changes.list``: entries since the token, then ``nextPageToken`` or ``newStartPageToken``
  (https://developers.google.com/workspace/drive/api/reference/rest/v3/changes/list).
- ``files.export``: the documented media types only, at most 10 MB
  (https://developers.google.com/workspace/drive/api/reference/rest/v3/files/export,
  https://developers.google.com/workspace/drive/api/guides/ref-export-formats); Google documents cannot be downloaded
  (``fileNotDownloadable``), other files not exported.
- Drive's quota: 403 ``userRateLimitExceeded`` or 429 ``rateLimitExceeded``
  (https://developers.google.com/workspace/drive/api/guides/limits).
- Sheets' quota: 60 reads a minute per user, 429 ``RESOURCE_EXHAUSTED``
  (https://developers.google.com/workspace/sheets/api/limits); 403 ``SERVICE_DISABLED`` where the API is not enabled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from tests.platforms.drive.items import DOCUMENT, PRESENTATION, SPREADSHEET, Item, render
from tests.platforms.drive.protocol import DEFAULT_FIELDS, ApiError, not_found, parse_fields, parse_query, select
from tests.platforms.drive.server_state import DriveServer
from tests.platforms.drive.tokens import READONLY

MAX_EXPORT_BYTES = 10 * 1024 * 1024
_EXPORTS = {
    DOCUMENT: {"text/markdown", "text/plain", "application/pdf", "application/rtf", "application/zip"},
    PRESENTATION: {"text/plain", "application/pdf"},
    SPREADSHEET: {"text/csv", "application/pdf", "application/zip"},
}
ACCOUNT = web.RequestKey("account", str)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build_app(server: DriveServer) -> web.Application:
    api = DriveApi(server)
    app = web.Application()
    app.router.add_post("/token", api.tokens)
    app.router.add_get("/drive/v3/files", api.guard("files.list", api.list_files))
    app.router.add_get("/drive/v3/files/{id}", api.guard("files.get", api.get_file))
    app.router.add_get("/drive/v3/files/{id}/export", api.guard("files.export", api.export))
    app.router.add_get("/drive/v3/changes/startPageToken", api.guard("changes.getStartPageToken", api.start_token))
    app.router.add_get("/drive/v3/changes", api.guard("changes.list", api.changes))
    app.router.add_get("/drive/v3/drives/{id}", api.guard("drives.get", api.get_drive))
    app.router.add_get("/v4/spreadsheets/{id}", api.guard("spreadsheets.get", api.spreadsheet))
    return app


class DriveApi:
    def __init__(self, server: DriveServer) -> None:
        self._server = server
        self._items = server.items

    async def tokens(self, request: web.Request) -> web.StreamResponse:
        self._server.record("token", request)
        if fault := self._server.faults.take("token"):
            if fault.status == 0:
                return _drop(request)
            return web.json_response({"error": "internal_failure"}, status=fault.status)
        return await self._server.tokens.handle(request)

    def guard(self, operation: str, handler: Handler) -> Handler:
        """Credentials, quota and faults, before the request is carried out."""
        sheets = operation.startswith("spreadsheets.")

        async def handle(request: web.Request) -> web.StreamResponse:
            self._server.record(operation, request)
            try:
                request[ACCOUNT] = self._account(request)
                self._server.take_quota(request[ACCOUNT], sheets=sheets)
                fault = self._server.faults.take(operation)
                if fault is not None and fault.status == 0:
                    return _drop(request)
                if fault is not None and fault.status != 200:
                    raise ApiError(fault.status, fault.reason, "Injected", fault.headers)
                return await (handler(request) if fault is None else _cut(request, await handler(request)))
            except ApiError as error:
                return error.response(sheets=sheets)

        return handle

    def _account(self, request: web.Request) -> str:
        token = self._server.tokens.find(request.headers.get("Authorization", ""))
        if token is None:
            raise ApiError(401, "authError", "Invalid Credentials")
        if READONLY not in token.scopes:
            raise ApiError(403, "insufficientPermissions", "Insufficient Permission")
        return token.account

    # ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _find(self, request: web.Request) -> Item:
        id, account = request.match_info["id"], request[ACCOUNT]
        item = self._items.items.get(id)
        hidden = item is not None and item.drive and request.query.get("supportsAllDrives") != "true"
        if item is None or hidden or not self._items.sees(account, id):
            raise not_found(id)
        return item

    async def get_file(self, request: web.Request) -> web.StreamResponse:
        item = self._find(request)
        if request.query.get("alt") != "media":
            mask = parse_fields(request.query.get("fields", DEFAULT_FIELDS))
            return web.json_response(select(render(self._items, item, request[ACCOUNT]), mask))
        if item.is_google:
            raise ApiError(403, "fileNotDownloadable", "Only files with binary content can be downloaded.")
        if not item.can_download:
            raise ApiError(403, "cannotDownloadFile", "This file cannot be downloaded by the user.")
        return web.Response(body=item.data, content_type=item.type)

    async def export(self, request: web.Request) -> web.StreamResponse:
        item = self._items.items.get(request.match_info["id"])
        if item is None or not self._items.sees(request[ACCOUNT], item.id):
            raise not_found(request.match_info["id"])
        type = request.query.get("mimeType", "")
        if item.type not in _EXPORTS:
            raise ApiError(403, "fileNotExportable", "Export only supports Docs Editors files.")
        if type not in _EXPORTS[item.type]:
            raise ApiError(400, "badRequest", "The requested conversion is not supported.")
        if not item.can_download:
            raise ApiError(403, "cannotExportFile", "This file cannot be exported by the user.")
        data = item.exports.get(type, b"")
        if len(data) > MAX_EXPORT_BYTES:
            raise ApiError(403, "exportSizeLimitExceeded", "This file is too large to be exported.")
        return web.Response(body=data, content_type=type)

    async def list_files(self, request: web.Request) -> web.StreamResponse:
        account, query = request[ACCOUNT], request.query
        size = _page_size(query.get("pageSize", "100"))
        test, parents = parse_query(query.get("q", ""))
        all_drives = query.get("supportsAllDrives") == query.get("includeItemsFromAllDrives") == "true"
        drive = self._searched_drive(account, dict(query), all_drives)
        missing = [each for each in parents if not self._items.sees(account, each)]
        if missing and len(parents) == 1:
            raise not_found(".")
        found = [] if missing else list(self._items.items.values())
        visible = [
            item
            for item in found
            if item.id != item.drive
            and item.id not in self._server.unlisted
            and self._items.sees(account, item.id)
            and (item.drive == drive if drive else all_drives or not item.drive)
            and test(item.parent, self._items.is_trashed(item.id))
        ]
        start = self._server.page_start(query.get("pageToken", ""))
        page = visible[start : start + min(size, self._server.max_page_size)]
        body: dict[str, Any] = {
            "kind": "drive#fileList",
            "incompleteSearch": self._server.is_search_incomplete,
            "files": [render(self._items, item, account) for item in page],
        }
        if start + len(page) < len(visible):
            body["nextPageToken"] = self._server.page_token(start + len(page))
        return web.json_response(
            select(body, parse_fields(query.get("fields", f"nextPageToken,files({DEFAULT_FIELDS})")))
        )

    def _searched_drive(self, account: str, query: dict[str, str], all_drives: bool) -> str:
        drive = query.get("driveId", "")
        if query.get("corpora", "user") not in ("user", "drive", "allDrives", "domain"):
            raise ApiError(400, "invalid", "Invalid Value")
        if (query.get("corpora") == "drive") != bool(drive):
            raise ApiError(
                400, "invalid", "The driveId parameter must be specified if and only if corpora is set to drive."
            )
        if drive and not all_drives:
            raise ApiError(
                403, "teamDrivesParentLimit", "supportsAllDrives and includeItemsFromAllDrives are required."
            )
        self._check_member(account, drive)
        return drive

    def _check_member(self, account: str, drive: str) -> None:
        if drive and account not in self._items.members.get(drive, ()):
            raise ApiError(404, "notFound", f"Shared drive not found: {drive}")

    async def get_drive(self, request: web.Request) -> web.StreamResponse:
        self._check_member(request[ACCOUNT], request.match_info["id"])
        body = {"kind": "drive#drive", "id": request.match_info["id"], "name": "Team"}
        return web.json_response(select(body, parse_fields(request.query.get("fields", "kind,id,name"))))

    # ── changes ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def start_token(self, request: web.Request) -> web.StreamResponse:
        self._check_member(request[ACCOUNT], request.query.get("driveId", ""))
        return web.json_response({"kind": "drive#startPageToken", "startPageToken": str(self._items.sequence + 1)})

    async def changes(self, request: web.Request) -> web.StreamResponse:
        account, query = request[ACCOUNT], request.query
        drive = query.get("driveId", "")
        self._check_member(account, drive)
        token = query.get("pageToken", "")
        if not token.isdigit() or int(token) < self._server.oldest_change:
            raise ApiError(400, "invalid", "Invalid Value")
        size = min(_page_size(query.get("pageSize", "100")), self._server.max_page_size)
        entries = self._items.changes(drive or account, int(token))
        body: dict[str, Any] = {
            "kind": "drive#changeList",
            "changes": [self._change(account, drive, id) for _number, id in entries[:size]],
        }
        if len(entries) > size:
            body["nextPageToken"] = str(entries[size][0])
        else:
            body["newStartPageToken"] = str(self._items.sequence + 1)
        return web.json_response(select(body, parse_fields(query.get("fields", "*"))))

    def _change(self, account: str, drive: str, id: str) -> dict[str, Any]:
        item = self._items.items.get(id)
        change: dict[str, Any] = {"kind": "drive#change", "changeType": "file", "fileId": id}
        is_here = item is not None and self._items.sees(account, id) and (not drive or item.drive == drive)
        if item is None or not is_here:
            return change | {"removed": True}
        return change | {"removed": False, "file": render(self._items, item, account)}

    # ── sheets ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def spreadsheet(self, request: web.Request) -> web.StreamResponse:
        if not self._server.is_sheets_enabled:
            raise ApiError(403, "SERVICE_DISABLED", "Google Sheets API has not been used in project 1 before.")
        item = self._items.items.get(request.match_info["id"])
        if item is None:
            raise ApiError(404, "NOT_FOUND", "Requested entity was not found.")
        if not self._items.sees(request[ACCOUNT], item.id):
            raise ApiError(403, "PERMISSION_DENIED", "The caller does not have permission")
        if item.type != SPREADSHEET:
            raise ApiError(400, "FAILED_PRECONDITION", "This operation is not supported for this document")
        body = {"spreadsheetId": item.id, "properties": {"title": item.name}, "sheets": list(item.sheets)}
        fields = request.query.get("fields", "")
        return web.json_response(select(body, parse_fields(fields) if fields else {"properties": {}}))


def _page_size(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        raise ApiError(400, "invalidParameter", f"Invalid value '{text}'. Values must be within the range: [1, 1000]")
    return int(text)


def _drop(request: web.Request) -> web.StreamResponse:
    """The connection is cut without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _cut(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """The connection is cut in the middle of the answer."""
    body = response.body if isinstance(response, web.Response) and isinstance(response.body, bytes) else b""
    part = web.StreamResponse(headers={"Content-Length": str(len(body) + 100)})
    await part.prepare(request)
    await part.write(body[: len(body) // 2])
    return _drop(request)
