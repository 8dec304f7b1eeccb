"""Transfer of files: download of contacts' files, and upload of our own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
from pydantic import ValidationError
from yarl import URL

from connectors.http import download, read_at_most
from connectors.slack.client import SlackClient, lower_names
from connectors.slack.errors import find_error
from connectors.slack.inbound.files import File
from schemas.errors import CredentialsRevoked, NotFound, RetryLater, SendRefused, TooLarge
from schemas.messages import Attachment, RemoteFile
from schemas.ports import VendorCall, VendorResponse

HTML = "text/html"


async def download_file(client: SlackClient, base: str, remote: RemoteFile, most: int) -> tuple[bytes, str, str]:
    """Return ``(bytes, declared type, name)``. Raises TooLarge, NotFound, RetryLater, CredentialsRevoked."""
    file = _read_file_info(await client.ask("files.info", {"file": remote.ref}))
    address = URL(file.url_private_download or file.url_private or "")
    if file.missing_reason or not _is_slack_address(address, URL(base)):
        raise NotFound("this file is not stored at Slack")
    if (file.size or 0) > most:
        raise TooLarge(f"the file has {file.size} bytes")
    data, kind = await _download(client, base, address, file, most)
    return data, file.mimetype or kind, file.name or file.title or ""


def _read_file_info(reply: VendorResponse) -> File:
    error = find_error(reply)
    if isinstance(error, SendRefused):
        raise NotFound(error.message)
    if error is not None:
        raise error
    try:
        return File.model_validate(reply.body.get("file"))
    except ValidationError as invalid:
        raise RetryLater("Slack does not say what this file is") from invalid


def _is_slack_address(address: URL, base: URL) -> bool:
    """Return whether our token may be sent there: only to Slack or its stand-in, not to where another service keeps a
    file."""
    if not address.absolute:
        return False
    if address.origin() == base.origin():
        return True
    return address.scheme == "https" and (address.host or "").endswith(".slack.com") and address.explicit_port is None


async def _download(client: SlackClient, base: str, address: URL, file: File, most: int) -> tuple[bytes, str]:
    headers = {"Authorization": f"Bearer {client.token}"}
    try:
        async with download(address, base, headers=headers) as response:
            _raise_for_status(response)
            data = await read_at_most(response, most)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise RetryLater("the file could not be fetched") from error
    if response.content_type == HTML and (file.mimetype != HTML or len(data) != file.size):
        # Slack answers with its login page and a success status when the token is not accepted.
        raise CredentialsRevoked("Slack shows its login page instead of a file: is files:read missing?")
    return data, response.content_type


def _raise_for_status(response: aiohttp.ClientResponse) -> None:
    if response.status in (401, 403):
        raise CredentialsRevoked(f"Slack refuses a file with {response.status}")
    if response.status == 429 or response.status >= 500:
        raise RetryLater(f"Slack answers {response.status} for a file")
    if response.status != 200:
        raise NotFound("the file no longer exists")


# Upload of files in three steps: request an address, upload, and post all files in one message.
# https://docs.slack.dev/messaging/working-with-files#upload
ReadFile = Callable[[str, str], Awaitable[tuple[Attachment, bytes]]]


async def upload_files(
    client: SlackClient, call: VendorCall, tenant: str, read_file: ReadFile, arguments: Mapping[str, Any]
) -> VendorResponse:
    """Return the answer to the step that shows the files, or to the first step that failed. Raises RetryLater,
    SendRefused (a file is gone), SendUnknown (only from the last step: the others show nothing)."""
    files = []
    for file in call.files:
        try:
            _, data = await read_file(tenant, file.id)
        except NotFound as error:
            raise SendRefused("file_gone") from error
        reply = await client.ask("files.getUploadURLExternal", {"filename": file.name, "length": len(data)})
        if find_error(reply) is None:
            files.append({"id": reply.body.get("file_id"), "title": file.name})
            reply = await _upload(client, str(reply.body.get("upload_url")), data)
        if find_error(reply) is not None:
            return reply
    return await client.call(call.operation, {**arguments, "files": files})


async def _upload(client: SlackClient, address: str, data: bytes) -> VendorResponse:
    try:
        async with client.session.post(address, data=data) as response:
            is_ok = 200 <= response.status < 300
            if response.status >= 500:
                raise RetryLater("Slack accepts no files at the moment")
            return VendorResponse(response.status, {"ok": True} if is_ok else "", lower_names(response.headers))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise RetryLater("Slack accepts no files at the moment") from error
