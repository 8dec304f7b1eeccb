"""Which addresses may become links."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

SCHEMES = {"http", "https", "mailto"}
BARE = r"https?://[^\s<>\[\]|*`\\\"]*[^\s<>\[\]|*`\\\".,;:!?)']"
"""An address typed as it is. Channels link it by themselves, so it is neither cut nor escaped."""
_LINKED = re.compile(r"(?:https?://|mailto:)[^\s\x00-\x20\x7f]+\Z", re.IGNORECASE)


def linked(address: str) -> str:
    """The address with its scheme in small letters, or "" when it may not be a link."""
    if not _LINKED.match(address):
        return ""
    scheme, colon, rest = address.partition(":")
    return scheme.lower() + colon + rest


_HOST = re.compile(r"(?<![\w-])(?:[\w-]{1,63}+[.\u3002\uff0e\uff61]){1,8}[^\W\d_]{2,24}(?![\w-])")
_DOT = re.compile("[\u3002\uff0e\uff61]")
_MOST_READ = 500


def is_misleading(label: str, address: str) -> bool:
    """Whether a link's label reads as the address of another place than the one the link leads to."""
    own = _host(address)
    return any(found != own and not own.endswith(f".{found}") for found in _hosts(label[:_MOST_READ]))


def _hosts(label: str) -> list[str]:
    return [_DOT.sub(".", found).lower() for found in _HOST.findall(label)]


def _host(address: str) -> str:
    try:
        parts = urlsplit(address)
        return (parts.hostname or parts.path.rpartition("@")[2]).lower()
    except ValueError:
        return ""
