"""Content of Instagram messages, as fields of an InboundMessage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connectors.inbound.display_names import clean_display_name
from connectors.instagram.models import Message, MessageAttachment, Postback, ReferralData
from connectors.meta_graph.sealed_choices import open_choice
from schemas.messages import FileKind, Quote, Referral, RemoteFile
from schemas.ports import Account

FILE_KINDS: dict[str, FileKind] = {
    "image": "image",
    "video": "video",
    "audio": "voice",
    "file": "file",
    "sticker": "sticker",
}
"""Audio is always a voice note there."""
POST_TYPES = frozenset({"share", "ig_post", "ig_reel", "reel"})
"""Shared posts: their address is kept, nothing is fetched."""
HEART = "❤️"


def build_payload(message: Message, attachments: Sequence[MessageAttachment], account: Account) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "text": message.text,
        "files": [file for each in attachments if (file := _build_file(each))],
    }
    if message.quick_reply is not None and (choice := open_choice(message.quick_reply.payload, account)):
        payload["choice"] = choice
    if (origin := _find_referral(message, attachments)) is not None:
        payload["referral"] = origin
    if message.reply_to is not None:
        payload["answers"] = message.reply_to.mid
        if message.reply_to.mid and "choice" not in payload:
            payload["quote"] = Quote()
    if not payload["text"] and any(each.type == "like_heart" for each in attachments):
        payload["text"] = HEART
    if kind := _find_unsupported(message, attachments, payload):
        payload["unsupported"] = kind
    return payload


def build_postback_payload(postback: Postback, account: Account) -> dict[str, Any]:
    """A button or an icebreaker. The payload counts as a choice only if its seal is ours."""
    payload: dict[str, Any] = {"text": postback.title or "…"}
    if choice := open_choice(postback.payload, account):
        payload["choice"] = choice
    if postback.referral is not None:
        payload["referral"] = build_referral(postback.referral)
    return payload


def build_referral(raw: ReferralData) -> Referral:
    return Referral(source=raw.source.lower() or "link", ref=raw.ref or raw.ad_id, headline=raw.title)


def _find_referral(message: Message, attachments: Sequence[MessageAttachment]) -> Referral | None:
    if message.referral is not None:
        return build_referral(message.referral)
    if message.reply_to is not None and message.reply_to.story is not None:
        return Referral(source="story", ref=message.reply_to.story.id)
    # During a migration Meta sent one post as two kinds.
    posts = [each for each in attachments if each.type in POST_TYPES and each.payload is not None]
    if not posts or posts[-1].payload is None:
        return None
    return Referral(source=posts[-1].type, url=posts[-1].payload.url, headline=posts[-1].payload.title)


def _build_file(attachment: MessageAttachment) -> RemoteFile | None:
    """None for what is not fetched: stories that mention us may not be stored, view-once pictures are not available,
    and some files have no address."""
    if attachment.type not in FILE_KINDS or attachment.payload is None or not attachment.payload.url:
        return None
    return RemoteFile(ref=attachment.payload.url, kind=FILE_KINDS[attachment.type])


def _find_unsupported(message: Message, attachments: Sequence[MessageAttachment], payload: dict[str, Any]) -> str:
    """Return the last kind that cannot be passed on."""
    understood = POST_TYPES | {"like_heart"} if payload.get("referral") else {"like_heart"}
    missing = [each.type for each in attachments if _build_file(each) is None and each.type not in understood]
    if missing:
        return clean_display_name(missing[-1])[:40] or "unsupported"
    has_content = payload["text"] or payload["files"] or payload.get("referral")
    return "unsupported" if message.is_unsupported or not has_content else ""
