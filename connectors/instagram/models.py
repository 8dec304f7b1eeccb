"""What Meta sends about Instagram, as far as we read it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from connectors.graph.models import Id, KnownId, Listed, Part, Stamp, Words
from connectors.markup import printable


class End(Part):
    id: KnownId


class Update(Part):
    """One thing that happened between two ends. What it is, the key that is there says."""

    sender: End
    recipient: End
    timestamp: Stamp = ""


class Payload(Part):
    url: Words = ""
    title: Words = ""


class Attached(Part):
    type: Words = ""
    payload: Payload | None = None


class QuickReply(Part):
    payload: Words = ""


class Story(Part):
    id: Id = ""


class ReplyTo(Part):
    mid: Id = ""
    story: Story | None = None


class Referred(Part):
    ref: Words = ""
    source: Words = ""
    ad_id: Id = ""
    ads_context_data: Any = None

    @property
    def title(self) -> str:
        """Of the advertisement."""
        found = self.ads_context_data.get("ad_title") if isinstance(self.ads_context_data, dict) else ""
        return printable(found) if isinstance(found, str) else ""


class Said(Part):
    mid: KnownId
    text: Words = ""
    attachments: Listed = []
    quick_reply: QuickReply | None = None
    reply_to: ReplyTo | None = None
    referral: Referred | None = None
    is_echo: bool = False
    is_deleted: bool = False
    is_unsupported: bool = False
    app_id: Id = ""


class Postback(Part):
    mid: Id = ""
    title: Words = ""
    payload: Words = ""
    referral: Referred | None = None


class Reaction(Part):
    mid: KnownId
    action: Words = "react"
    reaction: Words = ""
    emoji: Words = ""


class Seen(Part):
    mid: KnownId


class Edited(Part):
    mid: KnownId
    text: Words = ""
    num_edit: int = Field(default=0, ge=0, lt=2**31)
