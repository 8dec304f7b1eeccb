"""Describe in words what a message carries beside text and files, and that its text was spoken.

The desk, the console, summaries and prompts all use these descriptions, so that a location or a missed call never shows
as an empty line. They are English, as the desk and the console are. Callers escape them, because names, titles and
quotes come from strangers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schemas.messages import (
    InboundMessage,
    Location,
    Referral,
    SharedContact,
    Speech,
    TranscriptMessage,
    TranscriptReferral,
)

MAX_QUOTE = 200
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
"""Descriptions by kind. Any other kind is described by its name."""
NAMELESS = frozenset({"", "message", "unknown", "unsupported"})
"""Names that vendors use for kinds that they do not specify."""
_REFERRALS = {
    "ad": ("Came from the ad “{}”", "Came from an ad"),
    "post": ("Came from the post “{}”", "Came from a post"),
    "shared_post": ("Shared a post: “{}”", "Shared a post"),
    "shared_reel": ("Shared a reel: “{}”", "Shared a reel"),
    "story": ("Replied to your story “{}”", "Replied to your story"),
    "product": ("Asked about the product “{}”", "Asked about a product"),
    "link": ("Came from the link “{}”", "Came from a link"),
}


def describe_content(line: TranscriptMessage) -> list[str]:
    """One line for each item; empty when the message is only text and files."""
    descriptions: list[str] = []
    if line.state == "deleted":
        return descriptions
    if line.quote is not None:
        descriptions.append(f"Quoted: “{shorten(line.quote.text)}”" if line.quote.text else "Quoted an earlier message")
    if line.referral is not None:
        descriptions.append(_describe_referral(line.referral))
    if (at := line.location) is not None:
        degrees = f"{at.lat:.6g}, {at.lon:.6g}"
        name = shorten(at.name)
        descriptions.append(f"Shared a location: {name} ({degrees})" if name else f"Shared a location: {degrees}")
    if line.contacts:
        descriptions.append(_describe_contacts(line.contacts))
    if line.unsupported is not None:
        descriptions.append(describe_kind(line.unsupported.kind))
    descriptions += [_describe_speech(file.speech) for file in line.attachments if file.speech is not None]
    return descriptions


def has_content(message: InboundMessage) -> bool:
    """Whether the message holds something beside text and files. Most hold nothing."""
    return bool(message.quote or message.referral or message.location or message.shared_contacts or message.unsupported)


def describe_message(line: TranscriptMessage) -> str:
    """The whole message in words: descriptions, then its text."""
    return "\n".join([*describe_content(line), *([line.text] if line.text.strip() else [])])


def content_fields(line: TranscriptMessage) -> dict[str, Any]:
    """The fields of an InboundMessage for a line's content beside text and files, for answering it late."""
    fields: dict[str, Any] = {"shared_contacts": line.contacts, "quote": line.quote}
    if (at := line.location) is not None:
        fields["location"] = Location(latitude=at.lat, longitude=at.lon, name=at.name)
    if (referral := line.referral) is not None:
        fields["referral"] = Referral(source=referral.kind, headline=referral.title, url=referral.url)
    if line.unsupported is not None:
        fields["unsupported"] = line.unsupported.kind
    return fields


def describe_kind(kind: str) -> str:
    if kind in KINDS:
        return KINDS[kind]
    named = "" if kind in NAMELESS else f" ({kind_name(kind)})"
    return f"Sent something that cannot be shown here{named}"


def kind_name(kind: str) -> str:
    """A vendor's name of a kind, readable for people."""
    return " ".join(kind.replace("_", " ").split())[:40]


def map_url(lat: float, lon: float) -> str:
    """A link that shows the place. Built from the numbers alone, whatever the vendor called the place."""
    return f"https://www.openstreetmap.org/?mlat={lat:.6f}&mlon={lon:.6f}#map=16/{lat:.6f}/{lon:.6f}"


def shorten(text: str) -> str:
    flat = " ".join(text[: MAX_QUOTE * 4].split())
    return flat if len(flat) <= MAX_QUOTE else f"{flat[: MAX_QUOTE - 1].rstrip()}…"


_SPEECH_PROBLEMS = {
    "too_long": "it is too long",
    "not_audio": "it cannot be played",
    "unclear": "nothing could be understood",
    "timeout": "that took too long",
}


def _describe_speech(speech: Speech) -> str:
    if speech.text:
        return "Voice note, transcribed automatically"
    return f"Voice note, not transcribed: {_SPEECH_PROBLEMS.get(speech.problem, 'that failed')}"


def _describe_referral(referral: TranscriptReferral) -> str:
    titled, plain = _REFERRALS.get(referral.kind, ("Came from “{}”", f"Came from {kind_name(referral.kind)}"))
    description = titled.format(shorten(referral.title)) if referral.title.strip() else plain
    return f"{description} ({shorten(referral.url)})" if referral.url.strip() else description


def _describe_contacts(shared: Sequence[SharedContact]) -> str:
    names = "; ".join(_describe_contact(each) for each in shared[:5]) + ("; …" if len(shared) > 5 else "")
    return f"Shared a contact: {names}" if len(shared) == 1 else f"Shared {len(shared)} contacts: {names}"


def _describe_contact(shared: SharedContact) -> str:
    reachable_at = ", ".join([*shared.phones, *shared.emails][:4])
    name = shorten(shared.name) or "no name"
    return f"{name} ({shorten(reachable_at)})" if reachable_at else name
