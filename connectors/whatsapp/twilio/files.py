"""Download of contacts' files. Twilio asks for credentials, and redirects to a store that must not see them."""

from __future__ import annotations

from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from connectors.whatsapp.settings import TWILIO, TwilioAccount
from connectors.whatsapp.twilio.client import TwilioHttpClient, get_credentials
from schemas.errors import CredentialsRevoked, NotFound, RetryLater, TooLarge

MAX_REDIRECTS = 3
TIMEOUT = aiohttp.ClientTimeout(sock_connect=5, sock_read=10)
CHUNK_SIZE = 64 * 1024
REDIRECTS = frozenset({301, 302, 303, 307, 308})


async def fetch(http: TwilioHttpClient, ref: str, settings: TwilioAccount, most: int) -> tuple[bytes, str, str]:
    """See schemas.ports.FileFetcher."""
    url = _check_url(http, ref, settings)
    headers = {"Authorization": aiohttp.encode_basic_auth(*get_credentials(settings))}
    try:
        for _ in range(MAX_REDIRECTS):
            async with http.open_session.get(url, headers=headers, allow_redirects=False, timeout=TIMEOUT) as answer:
                if answer.status not in REDIRECTS:
                    _raise_for_status(answer.status, is_first=bool(headers))
                    return await _read_at_most(answer, most), answer.content_type, _get_name(answer)
                url, headers = answer.url.join(URL(answer.headers.get("Location", ""))), {}
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise RetryLater("the file could not be fetched") from error
    raise RetryLater("there are too many redirects to the file")


def _check_url(http: TwilioHttpClient, ref: str, settings: TwilioAccount) -> URL:
    """Return the URL. Credentials go only to Twilio, whatever a webhook says. Raises NotFound."""
    parts = urlsplit(ref)
    base = urlsplit(settings.api_base)
    if (parts.scheme, parts.netloc) == (base.scheme, base.netloc):
        return URL(ref)
    if f"{parts.scheme}://{parts.netloc}" == TWILIO:
        return URL(http.resolve_url(ref))
    raise NotFound("this file is not stored at Twilio")


def _raise_for_status(status: int, *, is_first: bool) -> None:
    if status == 200:
        return
    if status in (401, 403) and is_first:
        raise CredentialsRevoked("Twilio does not accept these credentials")
    if status in (404, 410):
        raise NotFound("the file no longer exists")
    raise RetryLater("the file could not be fetched")


async def _read_at_most(answer: aiohttp.ClientResponse, most: int) -> bytes:
    if (answer.content_length or 0) > most:
        raise TooLarge(f"more than {most} bytes")
    data = bytearray()
    async for piece in answer.content.iter_chunked(CHUNK_SIZE):
        data += piece
        if len(data) > most:
            raise TooLarge(f"more than {most} bytes")
    return bytes(data)


def _get_name(answer: aiohttp.ClientResponse) -> str:
    disposition = answer.content_disposition
    return (disposition.filename or "") if disposition else ""
