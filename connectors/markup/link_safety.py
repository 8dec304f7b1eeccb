"""Rules for addresses that may become links, and detection of misleading labels."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

SCHEMES = {"http", "https", "mailto"}
BARE_LINK = r"https?://[^\s<>\[\]|*`\\\"]*[^\s<>\[\]|*`\\\".,;:!?)']"
"""An address in plain text. Channels turn it into a link by themselves, so it is neither cut nor escaped."""
_LINK = re.compile(r"(?:https?://|mailto:)[^\s\x00-\x20\x7f]+\Z", re.IGNORECASE)


def normalize_link(address: str) -> str:
    """Return the address with a lower-case scheme; empty when it may not become a link."""
    if not _LINK.match(address):
        return ""
    scheme, colon, rest = address.partition(":")
    return scheme.lower() + colon + rest


_HOST = re.compile(r"(?<![\w-])(?:[\w-]{1,63}+[.\u3002\uff0e\uff61]){1,8}[^\W\d_]{2,24}(?![\w-])")
_DOT = re.compile("[\u3002\uff0e\uff61]")
_MAX_SCANNED = 500


def is_misleading(label: str, address: str) -> bool:
    """Return whether a link's label reads like another host than the one the link leads to."""
    own = _parse_host(address)
    return any(host != own and not own.endswith(f".{host}") for host in _find_hosts(label[:_MAX_SCANNED]))


def _find_hosts(label: str) -> list[str]:
    return [_DOT.sub(".", match).lower() for match in _HOST.findall(label)]


def _parse_host(address: str) -> str:
    try:
        parts = urlsplit(address)
        return (parts.hostname or parts.path.rpartition("@")[2]).lower()
    except ValueError:
        return ""
