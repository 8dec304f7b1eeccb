"""What somebody said on Instagram, as the fields of a message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connectors.graph.sealed_choices import opened
from connectors.inbound.display_names import shown_name
from connectors.instagram.models import Attached, Postback, Referred, Said
from schemas.messages import FileKind, Quote, Referral, RemoteFile
from schemas.ports import Account

FILES: dict[str, FileKind] = {
    "image": "image",
    "video": "video",
    "audio": "voice",
    "file": "file",
    "sticker": "sticker",
}
"""Sound comes from the microphone there."""
POSTS = frozenset({"share", "ig_post", "ig_reel", "reel"})
"""Something of somebody's that is passed on: its address is told, and nothing is fetched."""
HEART = "❤️"


def said(message: Said, attached: Sequence[Attached], account: Account) -> dict[str, Any]:
    payload: dict[str, Any] = {"text": message.text, "files": [file for each in attached if (file := _file(each))]}
    if message.quick_reply is not None and (choice := opened(message.quick_reply.payload, account)):
        payload["choice"] = choice
    if (origin := _origin(message, attached)) is not None:
        payload["referral"] = origin
    if message.reply_to is not None:
        payload["answers"] = message.reply_to.mid
        if message.reply_to.mid and "choice" not in payload:
            payload["quote"] = Quote()
    if not payload["text"] and any(each.type == "like_heart" for each in attached):
        payload["text"] = HEART
    if kind := _unsupported(message, attached, payload):
        payload["unsupported"] = kind
    return payload


def pressed(postback: Postback, account: Account) -> dict[str, Any]:
    """A button or an icebreaker. Its payload is ours only where the seal says so."""
    payload: dict[str, Any] = {"text": postback.title or "…"}
    if choice := opened(postback.payload, account):
        payload["choice"] = choice
    if postback.referral is not None:
        payload["referral"] = referral(postback.referral)
    return payload


def referral(found: Referred) -> Referral:
    return Referral(source=found.source.lower() or "link", ref=found.ref or found.ad_id, headline=found.title)


def _origin(message: Said, attached: Sequence[Attached]) -> Referral | None:
    if message.referral is not None:
        return referral(message.referral)
    if message.reply_to is not None and message.reply_to.story is not None:
        return Referral(source="story", ref=message.reply_to.story.id)
    # In a time of change one post was told as two kinds.
    posts = [each for each in attached if each.type in POSTS and each.payload is not None]
    if not posts or posts[-1].payload is None:
        return None
    return Referral(source=posts[-1].type, url=posts[-1].payload.url, headline=posts[-1].payload.title)


def _file(attached: Attached) -> RemoteFile | None:
    """None for what is not to be fetched: a story that names us may not be stored, a picture for one look is not handed
    over, and what has no address cannot be had."""
    if attached.type not in FILES or attached.payload is None or not attached.payload.url:
        return None
    return RemoteFile(ref=attached.payload.url, kind=FILES[attached.type])


def _unsupported(message: Said, attached: Sequence[Attached], payload: dict[str, Any]) -> str:
    """The last kind that cannot be passed on."""
    told = POSTS | {"like_heart"} if payload.get("referral") else {"like_heart"}
    lost = [each.type for each in attached if _file(each) is None and each.type not in told]
    if lost:
        return shown_name(lost[-1])[:40] or "unsupported"
    said = payload["text"] or payload["files"] or payload.get("referral")
    return "unsupported" if message.is_unsupported or not said else ""
