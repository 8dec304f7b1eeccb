"""What a contact sent. Twilio asks for credentials, and then sends us on to a store that must not see them."""

from __future__ import annotations

from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from connectors.whatsapp.settings import TWILIO, TwilioAccount
from connectors.whatsapp.twilio.client import Http, credentials
from schemas.errors import CredentialsRevoked, NotFound, SendDelayed, TooLarge

HOPS = 3
PATIENCE = aiohttp.ClientTimeout(sock_connect=5, sock_read=10)
PIECE = 64 * 1024
MOVED = frozenset({301, 302, 303, 307, 308})


async def fetch(http: Http, ref: str, settings: TwilioAccount, most: int) -> tuple[bytes, str, str]:
    """See schemas.ports.Fetcher."""
    url = _trusted(http, ref, settings)
    headers = {"Authorization": aiohttp.encode_basic_auth(*credentials(settings))}
    try:
        for _ in range(HOPS):
            async with http.open_session.get(url, headers=headers, allow_redirects=False, timeout=PATIENCE) as answer:
                if answer.status not in MOVED:
                    _check(answer.status, is_first=bool(headers))
                    return await _read(answer, most), answer.content_type, _name(answer)
                url, headers = answer.url.join(URL(answer.headers.get("Location", ""))), {}
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise SendDelayed("the file did not come through") from error
    raise SendDelayed("the file is moved again and again")


def _trusted(http: Http, ref: str, settings: TwilioAccount) -> URL:
    """Credentials go to Twilio and nowhere else, whatever a webhook says. Raises NotFound."""
    there = urlsplit(ref)
    base = urlsplit(settings.api_base)
    if (there.scheme, there.netloc) == (base.scheme, base.netloc):
        return URL(ref)
    if f"{there.scheme}://{there.netloc}" == TWILIO:
        return URL(http.address(ref))
    raise NotFound("this file is not at Twilio")


def _check(status: int, *, is_first: bool) -> None:
    if status == 200:
        return
    if status in (401, 403) and is_first:
        raise CredentialsRevoked("Twilio does not know these credentials")
    if status in (404, 410):
        raise NotFound("the file is gone")
    raise SendDelayed("the file did not come through")


async def _read(answer: aiohttp.ClientResponse, most: int) -> bytes:
    if (answer.content_length or 0) > most:
        raise TooLarge(f"more than {most} bytes")
    data = bytearray()
    async for piece in answer.content.iter_chunked(PIECE):
        data += piece
        if len(data) > most:
            raise TooLarge(f"more than {most} bytes")
    return bytes(data)


def _name(answer: aiohttp.ClientResponse) -> str:
    told = answer.content_disposition
    return (told.filename or "") if told else ""
