"""Download of contacts' files. Twilio asks for credentials, and redirects to a store that must not see them."""

from __future__ import annotations

from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from connectors.http import download, read_at_most
from connectors.whatsapp.settings import TWILIO, TwilioAccount
from connectors.whatsapp.twilio.client import TwilioHttpClient, get_credentials
from schemas.errors import CredentialsRevoked, NotFound, RetryLater

TIMEOUT = aiohttp.ClientTimeout(sock_connect=5, sock_read=10)


async def fetch(http: TwilioHttpClient, ref: str, settings: TwilioAccount, most: int) -> tuple[bytes, str, str]:
    """See schemas.ports.FileFetcher."""
    url = _check_url(http, ref, settings)
    headers = {"Authorization": aiohttp.encode_basic_auth(*get_credentials(settings))}
    try:
        async with download(url, settings.api_base, headers=headers, timeout=TIMEOUT) as answer:
            _raise_for_status(answer.status, is_first=answer.url.origin() == url.origin())
            return await read_at_most(answer, most), answer.content_type, _get_name(answer)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise RetryLater("the file could not be fetched") from error


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


def _get_name(answer: aiohttp.ClientResponse) -> str:
    disposition = answer.content_disposition
    return (disposition.filename or "") if disposition else ""
