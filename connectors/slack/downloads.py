"""Files that contacts sent."""

from __future__ import annotations

import aiohttp
from pydantic import ValidationError
from yarl import URL

from connectors.slack.client import Client
from connectors.slack.errors import failure
from connectors.slack.files import File
from schemas.errors import CredentialsRevoked, NotFound, SendDelayed, SendRefused, TooLarge
from schemas.messages import RemoteFile
from schemas.ports import Reply

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
