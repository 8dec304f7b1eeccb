"""Transfer of files: download of those that contacts sent, and upload of our own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
from pydantic import ValidationError
from yarl import URL

from connectors.slack.client import Client, lowered
from connectors.slack.errors import failure
from connectors.slack.files import File
from schemas.errors import CredentialsRevoked, NotFound, SendDelayed, SendRefused, TooLarge
from schemas.messages import Attachment, RemoteFile
from schemas.ports import Call, Reply

HTML = "text/html"
PIECE = 64 * 1024


async def fetched(client: Client, base: str, remote: RemoteFile, most: int) -> tuple[bytes, str, str]:
    """``(bytes, declared type, name)``. Raises TooLarge, NotFound, SendDelayed, CredentialsRevoked."""
    file = _about(await client.ask("files.info", {"file": remote.ref}))
    address = URL(file.url_private_download or file.url_private or "")
    if file.missing or not _is_slacks(address, URL(base)):
        raise NotFound("this file is not with Slack")
    if (file.size or 0) > most:
        raise TooLarge(f"the file has {file.size} bytes")
    data, kind = await _downloaded(client, address, file, most)
    return data, file.mimetype or kind, file.name or file.title or ""


def _about(reply: Reply) -> File:
    error = failure(reply)
    if isinstance(error, SendRefused):
        raise NotFound(error.message)
    if error is not None:
        raise error
    try:
        return File.model_validate(reply.body.get("file"))
    except ValidationError as invalid:
        raise SendDelayed("Slack does not say what this file is") from invalid


def _is_slacks(address: URL, base: URL) -> bool:
    """Our token goes to Slack alone, or to what stands in for it: not to where a file of another service lies."""
    if not address.absolute:
        return False
    if address.origin() == base.origin():
        return True
    return address.scheme == "https" and (address.host or "").endswith(".slack.com") and address.explicit_port is None


async def _downloaded(client: Client, address: URL, file: File, most: int) -> tuple[bytes, str]:
    headers = {"Authorization": f"Bearer {client.token}"}
    try:
        async with client.session.get(address, headers=headers) as response:
            _check(response)
            data = await _read(response, most)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise SendDelayed("the file did not come") from error
    if response.content_type == HTML and (file.mimetype != HTML or len(data) != file.size):
        # Slack shows its login page to whom it does not know, and calls that a success.
        raise CredentialsRevoked("Slack shows its login page instead of a file: is files:read missing?")
    return data, response.content_type


def _check(response: aiohttp.ClientResponse) -> None:
    if response.status in (401, 403):
        raise CredentialsRevoked(f"Slack refuses a file with {response.status}")
    if response.status == 429 or response.status >= 500:
        raise SendDelayed(f"Slack answers {response.status} for a file")
    if response.status != 200:
        raise NotFound("the file is gone")


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes:
    data = bytearray()
    if (response.content_length or 0) > most:
        raise TooLarge(f"the file has {response.content_length} bytes")
    async for piece in response.content.iter_chunked(PIECE):
        data += piece
        if len(data) > most:
            raise TooLarge(f"the file has more than {most} bytes")
    return bytes(data)


# Files of ours: announced, uploaded, and then shown, all in one message.
#
# https://docs.slack.dev/messaging/working-with-files#upload
ReadFile = Callable[[str, str], Awaitable[tuple[Attachment, bytes]]]


async def uploaded(client: Client, call: Call, tenant: str, read_file: ReadFile, arguments: Mapping[str, Any]) -> Reply:
    """The answer to the step that shows them, or to the first that failed. Raises SendDelayed, SendRefused (a file of
    ours is gone), SendUnknown (only of the last step: nobody sees anything before)."""
    files = []
    for file in call.files:
        try:
            _, data = await read_file(tenant, file.id)
        except NotFound as error:
            raise SendRefused("file_gone") from error
        reply = await client.ask("files.getUploadURLExternal", {"filename": file.name, "length": len(data)})
        if failure(reply) is None:
            files.append({"id": reply.body.get("file_id"), "title": file.name})
            reply = await _put(client, str(reply.body.get("upload_url")), data)
        if failure(reply) is not None:
            return reply
    return await client.call(call.operation, {**arguments, "files": files})


async def _put(client: Client, address: str, data: bytes) -> Reply:
    try:
        async with client.session.post(address, data=data) as response:
            done = 200 <= response.status < 300
            if response.status >= 500:
                raise SendDelayed("Slack takes no files now")
            return Reply(response.status, {"ok": True} if done else "", lowered(response.headers))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise SendDelayed("Slack takes no files now") from error
