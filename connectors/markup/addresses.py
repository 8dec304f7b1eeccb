"""Which addresses may become links."""

from __future__ import annotations

import re

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
