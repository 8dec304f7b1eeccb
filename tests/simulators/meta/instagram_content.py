"""Content other than text that people send on Instagram, in the vendor's shapes: each goes into the ``message`` of an
event."""

from __future__ import annotations

from typing import Any


def attachment(type_: str, **payload: Any) -> dict[str, Any]:
    return {"attachments": [{"type": type_, "payload": payload}]}


def build_files(*found: tuple[str, str]) -> dict[str, Any]:
    """Kind (image, video, audio, file) and address of each."""
    return {"attachments": [{"type": kind, "payload": {"url": url}} for kind, url in found]}


def story_mention(url: str) -> dict[str, Any]:
    """A person's story that names the account. The address is dead after a day."""
    return attachment("story_mention", url=url)


def story_reply(text: str, story: str, url: str) -> dict[str, Any]:
    """An answer to a story of the account."""
    return {"text": text, "reply_to": {"story": {"id": story, "url": url}}}


def share(url: str, *, as_post: bool = True, as_share: bool = False, title: str = "") -> dict[str, Any]:
    """A post that is passed on: ``ig_post`` since April 2026, ``share`` before, both in between."""
    kinds = (["share"] if as_share else []) + (["ig_post"] if as_post else [])
    payload = {"url": url} | ({"title": title, "ig_post_media_id": "180"} if as_post else {})
    return {"attachments": [{"type": kind, "payload": payload} for kind in kinds]}


def reel(url: str, title: str = "") -> dict[str, Any]:
    return attachment("ig_reel", url=url, title=title, reel_video_id="190")


def ephemeral() -> dict[str, Any]:
    """A picture that may be seen once: it is not handed over."""
    return {"attachments": [{"type": "ephemeral"}]}


def like_heart() -> dict[str, Any]:
    return {"attachments": [{"type": "like_heart"}]}


def unsupported() -> dict[str, Any]:
    return {"is_unsupported": True}


def ad(ref: str = "spring", ad_id: str = "6045246247433") -> dict[str, Any]:
    """A ``referral``: where a person came from. Inside a message, or an event of its own."""
    context = {"ad_title": "Pitchers of every size", "photo_url": "https://scontent.cdninstagram.com/p.jpg"}
    return {
        "referral": {"ref": ref, "ad_id": ad_id, "source": "ADS", "type": "OPEN_THREAD", "ads_context_data": context}
    }


def link(ref: str = "bio") -> dict[str, Any]:
    """A ``referral`` by way of an ig.me link."""
    return {"referral": {"ref": ref, "source": "IGME", "type": "OPEN_THREAD"}}
