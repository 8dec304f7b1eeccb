"""Types of single settings that several sections share: names, addresses, languages, time zones."""

from __future__ import annotations

import ipaddress
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field

from connectors.settings import require_pattern


def _check_slug(text: str) -> str:
    return require_pattern(
        text,
        r"[a-z0-9][a-z0-9_-]{0,62}",
        "must be 1-63 of a-z, 0-9, '-' and '_', and begin with a letter or a digit",
    )


def _check_language(text: str) -> str:
    return require_pattern(
        text.casefold(), r"[a-z]{2,3}([-_][a-z0-9]{2,8})?", "must be a language, such as en, de or pt-br"
    )


def _check_locale(text: str) -> str:
    """Check a language whose letters are kept as they are."""
    return require_pattern(
        text, r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8}){0,3}", "must be the code of a language, such as en, de or pt-BR"
    )


def _check_timezone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError("must be a time zone such as Europe/Berlin") from error
    return text


def _check_web_address(text: str) -> str:
    return require_pattern(
        text, r"(https?://[^\s/?#]+[^\s?#]*)?", "must begin with https:// (or http://) and name a host"
    )


def _check_network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise ValueError("must be an address or a network, such as 10.0.0.0/8 or 192.0.2.7") from None


def _check_listen_address(text: str) -> str:
    require_pattern(text, r"(\[[0-9a-fA-F:.]+\]|[^:\s]+):\d{1,5}", "must be host:port, such as 127.0.0.1:8080")
    if int(text.rpartition(":")[2]) > 65535:
        raise ValueError("the port must be at most 65535")
    return text


Slug = Annotated[str, AfterValidator(_check_slug)]
"""The name of a tenant or of an account. It becomes part of URLs, keys and file names."""
Language = Annotated[str, AfterValidator(_check_language)]
Locale = Annotated[str, AfterValidator(_check_locale)]
Timezone = Annotated[str, AfterValidator(_check_timezone)]
WebAddress = Annotated[str, AfterValidator(_check_web_address)]
"""An http(s) URL without query and fragment, or empty."""
Network = Annotated[str, AfterValidator(_check_network)]
# A port alone is read as a number. It is told what it lacks, and not to be put in quotes first.
_PORT_AS_TEXT = BeforeValidator(lambda value: str(value) if type(value) is int else value)
ListenAddress = Annotated[str, AfterValidator(_check_listen_address), _PORT_AS_TEXT]
OptionalListenAddress = Annotated[
    str, _PORT_AS_TEXT, AfterValidator(lambda text: _check_listen_address(text) if text else "")
]
"""A listen address, or empty."""
ModelName = Annotated[str, Field(min_length=1)]
"""The name of an entry of ``models``."""


def split_address(address: str) -> tuple[str, int]:
    """Split a listen address into host and port."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def build_local_url(address: str) -> str:
    """The URL at which programs on this machine reach a listen address."""
    host, port = split_address(address)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "*": "127.0.0.1"}.get(host, host)  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
