"""The simulated Drive refuses what Google refuses. google-auth, unmodified and with its own transport, talks to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import AuthorizedSession, Request
from google.oauth2 import credentials, service_account

from tests.platforms.drive import serve_drive
from tests.platforms.drive.items import FOLDER
from tests.platforms.drive.tokens import READONLY
from tests.platforms.drive.workspace import ACCOUNT, OWNER, DriveWorkspace, sheet


class ScriptedClient:
    """Calls the API in a thread, as scripts with google-auth do."""

    def __init__(self, workspace: DriveWorkspace) -> None:
        self.workspace = workspace
        key = json.loads(workspace.options()["service_account"])
        self.credentials = service_account.Credentials.from_service_account_info(key, scopes=[READONLY])

    async def get(self, path: str, **params: str) -> tuple[int, Any]:
        return await asyncio.to_thread(self._get, path, params)

    def _get(self, path: str, params: dict[str, str]) -> tuple[int, Any]:
        url = f"{self.workspace.server.url}/{path}"
        with AuthorizedSession(self.credentials) as session, session.get(url, params=params) as answer:
            is_json = answer.headers["Content-Type"].startswith("application/json")
            return answer.status_code, answer.json() if is_json else answer.content

    async def reason(self, path: str, **params: str) -> tuple[int, str]:
        status, body = await self.get(path, **params)
        return status, body["error"]["errors"][0]["reason"]


@pytest.fixture
async def workspace() -> AsyncIterator[DriveWorkspace]:
    async with serve_drive() as server:
        yield DriveWorkspace(server)


@pytest.fixture
def client(workspace: DriveWorkspace) -> ScriptedClient:
    return ScriptedClient(workspace)


async def refresh(given: Any) -> None:
    def run() -> None:
        request = Request()
        try:
            given.refresh(request)
        finally:
            request.session.close()

    await asyncio.to_thread(run)


async def test_google_auth_gets_tokens_for_a_key_and_for_a_refresh_token(workspace: DriveWorkspace) -> None:
    client = ScriptedClient(workspace)
    await refresh(client.credentials)
    assert client.credentials.valid
    url = f"{workspace.server.url}/token"
    token = workspace.server.tokens.add_grant(OWNER, "client", "secret")
    user = credentials.Credentials(None, refresh_token=token, client_id="client", client_secret="secret", token_uri=url)
    await refresh(user)
    assert user.valid
    other = credentials.Credentials(None, refresh_token=token, client_id="client", client_secret="no", token_uri=url)
    with pytest.raises(RefreshError, match="invalid_client"):
        await refresh(other)
    workspace.server.tokens.grants[token].is_revoked = True
    with pytest.raises(RefreshError, match="invalid_grant"):
        await refresh(user)


@pytest.mark.parametrize(
    ("claims", "description"),
    [
        ({"aud": "https://example.com"}, "Audience"),
        ({"iss": "nobody@shop.example"}, "account not found"),
        ({"exp": 4_000_000_000}, "short-lived"),
        ({"exp": 1_000_000_000}, "expired"),
        ({"scope": None}, "scope"),
    ],
)
async def test_a_signed_request_with_wrong_claims_is_refused(
    workspace: DriveWorkspace, claims: dict[str, Any], description: str
) -> None:
    good = service_account.Credentials.from_service_account_info(json.loads(workspace.options()["service_account"]))
    if "iss" in claims:
        good = service_account.Credentials(good.signer, claims["iss"], f"{workspace.server.url}/token")
    wrong = good.with_scopes([READONLY]).with_claims(claims)
    with pytest.raises((RefreshError, TypeError), match=f"(?i){description}"):
        await refresh(wrong)
    assert workspace.server.tokens.issued == {}


async def test_a_request_that_another_key_signed_is_refused(workspace: DriveWorkspace) -> None:
    other = workspace.server.tokens.add_service_account("other@shop.example")
    forged = ScriptedClient(workspace).credentials
    signer = service_account.Credentials.from_service_account_info(
        json.loads(other.key_file(f"{workspace.server.url}/token"))
    ).signer
    forged = service_account.Credentials(signer, ACCOUNT, f"{workspace.server.url}/token", scopes=[READONLY])
    with pytest.raises(RefreshError, match="Invalid JWT Signature"):
        await refresh(forged)
    none = jwt.encode({"iss": ACCOUNT}, "", algorithm="none")
    assert none.endswith(".")


async def test_only_the_fields_that_are_asked_for_are_returned(client: ScriptedClient) -> None:
    id = client.workspace.document("D", "Text.", client.workspace.root)
    _, body = await client.get(f"drive/v3/files/{id}")
    assert body.keys() == {"kind", "id", "name", "mimeType"}
    _, body = await client.get(f"drive/v3/files/{id}", fields="id,capabilities(canDownload),capabilities/canEdit")
    assert body == {"id": id, "capabilities": {"canDownload": True, "canEdit": False}}
    assert (await client.get(f"drive/v3/files/{id}", fields="id,("))[0] == 400


async def test_what_is_not_shared_does_not_exist(client: ScriptedClient) -> None:
    hidden = client.workspace.items.add("Hidden", FOLDER)
    assert await client.reason(f"drive/v3/files/{hidden}") == (404, "notFound")
    assert await client.reason("drive/v3/files", q=f"'{hidden}' in parents") == (404, "notFound")
    query = f"'{hidden}' in parents or '{client.workspace.root}' in parents"
    client.workspace.document("D", "Text.", client.workspace.root)
    assert (await client.get("drive/v3/files", q=query))[1]["files"] == []


async def test_shared_drives_need_their_parameters(client: ScriptedClient) -> None:
    team = client.workspace.team
    id = client.workspace.document("D", "Text.", team)
    assert await client.reason(f"drive/v3/files/{id}") == (404, "notFound")
    assert (await client.get(f"drive/v3/files/{id}", supportsAllDrives="true"))[0] == 200
    assert (await client.get("drive/v3/files", q="trashed = false", corpora="drive"))[0] == 400
    assert (await client.get("drive/v3/files", corpora="drive", driveId=team))[0] == 403
    everything = {"corpora": "drive", "driveId": team, "supportsAllDrives": "true", "includeItemsFromAllDrives": "true"}
    assert len((await client.get("drive/v3/files", **everything))[1]["files"]) == 1
    client.workspace.items.remove_member(team, ACCOUNT)
    assert (await client.get("drive/v3/files", **everything))[0] == 404
    assert (await client.get("drive/v3/changes/startPageToken", driveId=team))[0] == 404


async def test_lists_come_in_pages(client: ScriptedClient) -> None:
    ids = [client.workspace.document(f"D{at}", "Text.", client.workspace.root) for at in range(5)]
    query = {"q": f"'{client.workspace.root}' in parents and trashed = false", "pageSize": "2"}
    found, token = [], ""
    for _ in range(3):
        _, page = await client.get("drive/v3/files", **query, **({"pageToken": token} if token else {}))
        found += [file["id"] for file in page["files"]]
        token = page.get("nextPageToken", "")
    assert (found, token) == (ids, "")
    assert await client.reason("drive/v3/files", pageToken="x") == (400, "invalid")
    assert (await client.get("drive/v3/files", pageSize="1001"))[0] == 400
    assert (await client.get("drive/v3/files", q="name contains 'D'"))[0] == 400


async def test_an_item_has_one_entry_in_the_log_with_its_state_now(client: ScriptedClient) -> None:
    items, root = client.workspace.items, client.workspace.root
    first, second = (client.workspace.document(name, "Text.", root) for name in "ab")
    _, body = await client.get("drive/v3/changes/startPageToken")
    token = body["startPageToken"]
    items.rename(first, "c")
    items.trash(second)
    items.rename(first, "d")
    items.delete(second)
    _, page = await client.get("drive/v3/changes", pageToken=token, pageSize="1")
    assert [(each["fileId"], each["file"]["name"]) for each in page["changes"]] == [(first, "d")]
    assert "newStartPageToken" not in page
    _, page = await client.get("drive/v3/changes", pageToken=page["nextPageToken"])
    assert [(each["fileId"], each["removed"]) for each in page["changes"]] == [(second, True)]
    _, page = await client.get("drive/v3/changes", pageToken=page["newStartPageToken"])
    assert page["changes"] == []
    assert await client.reason("drive/v3/changes", pageToken="old") == (400, "invalid")


async def test_exports_and_downloads_have_their_rules(client: ScriptedClient) -> None:
    workspace = client.workspace
    id = workspace.document("D", "Text.", workspace.root)
    file = workspace.file("a.txt", "text/plain", b"Text.", workspace.root)
    assert (await client.get(f"drive/v3/files/{id}/export", mimeType="text/markdown"))[1] == b"Text."
    assert await client.reason(f"drive/v3/files/{id}/export", mimeType="image/png") == (400, "badRequest")
    assert await client.reason(f"drive/v3/files/{id}", alt="media") == (403, "fileNotDownloadable")
    assert await client.reason(f"drive/v3/files/{file}/export", mimeType="text/plain") == (403, "fileNotExportable")
    workspace.items.edit(id, exports={"text/markdown": b"x" * (10 * 1024 * 1024 + 1)})
    large = await client.reason(f"drive/v3/files/{id}/export", mimeType="text/markdown")
    assert large == (403, "exportSizeLimitExceeded")
    workspace.items.allow_download(file, False)
    assert await client.reason(f"drive/v3/files/{file}", alt="media") == (403, "cannotDownloadFile")


async def test_quotas_are_per_account_and_per_api(client: ScriptedClient) -> None:
    workspace = client.workspace
    id = workspace.spreadsheet("S", workspace.root, sheet(0, "A", ("a",)))
    workspace.server.sheets_quota = 2
    statuses = [(await client.get(f"v4/spreadsheets/{id}"))[0] for _ in range(3)]
    assert statuses == [200, 200, 429]
    workspace.server.drive_quota = 1
    assert (await client.get(f"drive/v3/files/{id}"))[0] == 200
    assert await client.reason(f"drive/v3/files/{id}") == (403, "userRateLimitExceeded")


async def test_a_token_without_the_scope_or_out_of_date_is_refused(client: ScriptedClient) -> None:
    key = json.loads(client.workspace.options()["service_account"])
    mail = "https://www.googleapis.com/auth/gmail.readonly"
    client.credentials = service_account.Credentials.from_service_account_info(key, scopes=[mail])
    assert await client.reason("drive/v3/files") == (403, "insufficientPermissions")
    client.workspace.server.tokens.lifetime_s = -1
    client.workspace.server.tokens.revoke_access_tokens()
    await refresh(client.credentials)
    assert client.workspace.server.tokens.find(f"Bearer {client.credentials.token}") is None
