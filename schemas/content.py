"""Plain words for what a message carries beside its text and its files.

The desk, the console, summaries and prompts all use these, so that a location or a missed call is never an empty line.
The words are English, as the desk and the console are; whoever shows them escapes them, because names, titles and
quotes are a stranger's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schemas.messages import CameFrom, Location, Referral, SharedContact, TranscriptMessage

MOST_QUOTED = 200
"""Characters of a title or a quote."""
KINDS = {
    "call_allowed": "Allowed calls",
    "call_declined": "Declined calls",
    "card": "Sent a card that cannot be shown here",
    "ephemeral": "Sent a picture that can be viewed once",
    "flow": "Sent a form that cannot be shown here",
    "identity_changed": "Their security code changed: they may have a new phone",
    "marketing_resumed": "Wants marketing messages again",
    "marketing_stopped": "Wants no more marketing messages",
    "mention": "Mentioned you",
    "missed_call": "Tried to call",
    "number_changed": "Moved to a new number",
    "order": "Placed an order",
    "poll": "Sent a poll",
    "sticker": "Sent a sticker",
    "story_mention": "Mentioned you in their story",
    "template": "Sent a card that cannot be shown here",
}
"""Kinds that have words of their own. Any other is told by its name."""
NAMELESS = frozenset({"", "message", "unknown", "unsupported"})
"""What the vendor calls a kind that it does not name."""
_CAME = {
    "ad": ("Came from the ad “{}”", "Came from an ad"),
    "post": ("Came from the post “{}”", "Came from a post"),
    "shared_post": ("Shared a post: “{}”", "Shared a post"),
    "shared_reel": ("Shared a reel: “{}”", "Shared a reel"),
    "story": ("Replied to your story “{}”", "Replied to your story"),
    "product": ("Asked about the product “{}”", "Asked about a product"),
    "link": ("Came from the link “{}”", "Came from a link"),
}


def content_words(line: TranscriptMessage) -> list[str]:
    """One line for each thing; empty when the message is only text and files."""
    found: list[str] = []
    if line.state == "deleted":
        return found
    if line.quote is not None:
        found.append(f"Quoted: “{shortened(line.quote.text)}”" if line.quote.text else "Quoted an earlier message")
    if line.referral is not None:
        found.append(_origin(line.referral))
    if (at := line.location) is not None:
        degrees = f"{at.lat:.6g}, {at.lon:.6g}"
        name = shortened(at.name)
        found.append(f"Shared a location: {name} ({degrees})" if name else f"Shared a location: {degrees}")
    if line.contacts:
        found.append(_contacts(line.contacts))
    if line.unsupported is not None:
        found.append(kind_words(line.unsupported.kind))
    return found


def all_words(line: TranscriptMessage) -> str:
    """All that a message says: what it carries in words, then its text."""
    return "\n".join([*content_words(line), *([line.text] if line.text.strip() else [])])


def content_of(line: TranscriptMessage) -> dict[str, Any]:
    """The fields of an InboundMessage for what a line carries beside text and files: of one that is answered late."""
    found: dict[str, Any] = {"shared_contacts": line.contacts, "quote": line.quote}
    if (at := line.location) is not None:
        found["location"] = Location(latitude=at.lat, longitude=at.lon, name=at.name)
    if (came := line.referral) is not None:
        found["referral"] = Referral(source=came.kind, headline=came.title, url=came.url)
    if line.unsupported is not None:
        found["unsupported"] = line.unsupported.kind
    return found


def kind_words(kind: str) -> str:
    if kind in KINDS:
        return KINDS[kind]
    named = "" if kind in NAMELESS else f" ({kind_name(kind)})"
    return f"Sent something that cannot be shown here{named}"


def kind_name(kind: str) -> str:
    """The vendor's name of a kind, to be read by people."""
    return " ".join(kind.replace("_", " ").split())[:40]


def map_url(lat: float, lon: float) -> str:
    """Where the place can be seen. Made of the numbers alone, whatever the vendor called it."""
    return f"https://www.openstreetmap.org/?mlat={lat:.6f}&mlon={lon:.6f}#map=16/{lat:.6f}/{lon:.6f}"


def shortened(text: str) -> str:
    flat = " ".join(text[: MOST_QUOTED * 4].split())
    return flat if len(flat) <= MOST_QUOTED else f"{flat[: MOST_QUOTED - 1].rstrip()}…"


def _origin(came: CameFrom) -> str:
    titled, plain = _CAME.get(came.kind, ("Came from “{}”", f"Came from {kind_name(came.kind)}"))
    said = titled.format(shortened(came.title)) if came.title.strip() else plain
    return f"{said} ({shortened(came.url)})" if came.url.strip() else said


def _contacts(shared: Sequence[SharedContact]) -> str:
    told = "; ".join(_contact(each) for each in shared[:5]) + ("; …" if len(shared) > 5 else "")
    return f"Shared a contact: {told}" if len(shared) == 1 else f"Shared {len(shared)} contacts: {told}"


def _contact(shared: SharedContact) -> str:
    reached = ", ".join([*shared.phones, *shared.emails][:4])
    name = shortened(shared.name) or "no name"
    return f"{name} ({shortened(reached)})" if reached else name
