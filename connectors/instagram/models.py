"""The parts of Meta's Instagram updates that are used."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from connectors.markup import clean_text
from connectors.meta_graph.models import GraphModel, Id, ItemList, KnownId, Text, Timestamp


class UserReference(GraphModel):
    id: KnownId


class Update(GraphModel):
    """One event between two users; the key that is present says which kind."""

    sender: UserReference
    recipient: UserReference
    timestamp: Timestamp = ""


class Payload(GraphModel):
    url: Text = ""
    title: Text = ""


class MessageAttachment(GraphModel):
    type: Text = ""
    payload: Payload | None = None


class QuickReply(GraphModel):
    payload: Text = ""


class Story(GraphModel):
    id: Id = ""


class ReplyReference(GraphModel):
    mid: Id = ""
    story: Story | None = None


class ReferralData(GraphModel):
    ref: Text = ""
    source: Text = ""
    ad_id: Id = ""
    ads_context_data: Any = None

    @property
    def title(self) -> str:
        """Of the advertisement."""
        found = self.ads_context_data.get("ad_title") if isinstance(self.ads_context_data, dict) else ""
        return clean_text(found) if isinstance(found, str) else ""


class Message(GraphModel):
    mid: KnownId
    text: Text = ""
    attachments: ItemList = []
    quick_reply: QuickReply | None = None
    reply_to: ReplyReference | None = None
    referral: ReferralData | None = None
    is_echo: bool = False
    is_deleted: bool = False
    is_unsupported: bool = False
    app_id: Id = ""


class Postback(GraphModel):
    mid: Id = ""
    title: Text = ""
    payload: Text = ""
    referral: ReferralData | None = None


class Reaction(GraphModel):
    mid: KnownId
    action: Text = "react"
    reaction: Text = ""
    emoji: Text = ""


class ReadReceipt(GraphModel):
    mid: KnownId


class MessageEdit(GraphModel):
    mid: KnownId
    text: Text = ""
    num_edit: int = Field(default=0, ge=0, lt=2**31)
