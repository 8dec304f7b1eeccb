"""Parsing of Meta's Instagram updates. A message id can return in an edit, a deletion, a reaction or a read receipt."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

import structlog

from connectors.instagram import contents
from connectors.instagram.models import (
    Message,
    MessageAttachment,
    MessageEdit,
    Postback,
    Reaction,
    ReadReceipt,
    ReferralData,
    Update,
)
from connectors.meta_graph import webhooks
from connectors.meta_graph.models import Entry, parse_item, parse_items, parse_time
from schemas import topics
from schemas.messages import Address, Author, Receipt
from schemas.ports import Account, ChannelEvent

log = structlog.get_logger("parley.inbound")
OBJECT = "instagram"
EMOJI = {"love": "❤️", "wow": "😮", "sad": "😢", "laugh": "😆", "angry": "😠", "like": "👍"}
CONTACT, PERSON, NOTE = Author(kind="contact"), Author(kind="person"), Author(kind="system")


class UpdateParser:
    """Parses the entries of one request."""

    def __init__(self, called: Account, now: datetime) -> None:
        self._called = called
        self._now = now
        self._kinds: dict[str, Callable[[Update, Any, Account], ChannelEvent | None]] = {
            "message": self._parse_message,
            "message_edit": self._parse_edit,
            "postback": self._parse_postback,
            "reaction": self._parse_reaction,
            "read": self._parse_read_receipt,
            "referral": self._parse_referral,
        }

    def parse_entry(self, entry: Entry) -> Iterator[ChannelEvent]:
        """Comments and mentions (``changes``) are no messages, and what happens while another app has the conversation
        (``standby``) is not ours."""
        account = webhooks.find_owner(self._called, lambda settings: bool(settings.ig_id == entry.id))
        for list_ in ("changes", "standby"):
            if found := getattr(entry, list_):
                self._log_skipped(list_, account or self._called, count=len(found))
        if account is None:
            return
        for raw in entry.messaging:
            event = self._parse_update(raw, account)
            if event is not None:
                event.account = None if account is self._called else account
                yield event

    def _parse_update(self, raw: Any, account: Account) -> ChannelEvent | None:
        update = parse_item(Update, raw, account)
        if update is None:
            return None
        kind = next((each for each in self._kinds if each in raw), None)
        if kind is None:
            # Consents, thread control, and kinds to come.
            self._log_skipped("update", account, kinds=sorted(ascii(key)[:40] for key in raw.keys() - FRAME)[:5])
            return None
        return self._kinds[kind](update, raw[kind], account)

    def _parse_message(self, update: Update, raw: Any, account: Account) -> ChannelEvent | None:
        message = parse_item(Message, raw, account)
        if message is None:
            return None
        is_ours = message.is_echo or update.sender.id == account.settings.ig_id
        if is_ours and (message.app_id or message.is_deleted):
            # Sent by an app, ours or another.
            self._log_skipped("echo", account, external_id=message.mid)
            return None
        at = parse_time(update.timestamp, self._now)
        if message.is_deleted:
            return _build_event(update.sender.id, topics.MESSAGE_DELETED, message.mid, {"deleted_at": at})
        attachments = list(parse_items(MessageAttachment, message.attachments, account))
        payload = contents.build_payload(message, attachments, account)
        payload |= {"author": PERSON, "shown": True} if is_ours else {"author": CONTACT}
        payload["sent_at"] = at
        place = update.recipient.id if is_ours else update.sender.id
        event = _build_event(place, topics.MESSAGE_RECEIVED, message.mid, payload)
        # A person who answers in Instagram uses no app, but Meta does not promise to name the app of every other
        # message.
        event.echo = is_ours
        return event

    def _parse_postback(self, update: Update, raw: Any, account: Account) -> ChannelEvent | None:
        postback = parse_item(Postback, raw, account)
        if postback is None or update.sender.id == account.settings.ig_id:
            return None
        # Older postbacks have no mid; user, payload and time identify one.
        digest = hashlib.sha256(postback.payload.encode()).hexdigest()[:16]
        mid = postback.mid or f"postback:{update.timestamp}:{digest}"
        at = parse_time(update.timestamp, self._now)
        payload = {**contents.build_postback_payload(postback, account), "author": CONTACT, "sent_at": at}
        return _build_event(update.sender.id, topics.MESSAGE_RECEIVED, mid, payload)

    def _parse_referral(self, update: Update, raw: Any, account: Account) -> ChannelEvent | None:
        """A contact came through an advertisement or a link and has not written yet: a note that nobody answers."""
        data = parse_item(ReferralData, raw, account)
        if data is None or update.sender.id == account.settings.ig_id:
            return None
        origin = contents.build_referral(data)
        digest = hashlib.sha256(f"{origin.source}\0{origin.ref}".encode()).hexdigest()[:16]
        at = parse_time(update.timestamp, self._now)
        payload = {"author": NOTE, "shown": True, "referral": origin, "sent_at": at}
        return _build_event(update.sender.id, topics.MESSAGE_RECEIVED, f"referral:{update.timestamp}:{digest}", payload)

    def _parse_edit(self, update: Update, raw: Any, account: Account) -> ChannelEvent | None:
        edit = parse_item(MessageEdit, raw, account)
        if edit is None or update.sender.id == account.settings.ig_id:
            return None
        at = parse_time(update.timestamp, self._now)
        payload = {"text": edit.text, "edited_at": at, "revision": edit.num_edit}
        return _build_event(update.sender.id, topics.MESSAGE_EDITED, edit.mid, payload, str(edit.num_edit))

    def _parse_reaction(self, update: Update, raw: Any, account: Account) -> ChannelEvent | None:
        reaction = parse_item(Reaction, raw, account)
        if reaction is None or update.sender.id == account.settings.ig_id:
            return None
        emoji = reaction.emoji or EMOJI.get(reaction.reaction, "")
        payload = {
            "emoji": emoji,
            "taken_back": reaction.action == "unreact",
            "only": True,
            "at": parse_time(update.timestamp, self._now),
        }
        revision = f"{emoji}:{update.sender.id}:{update.timestamp}"
        return _build_event(update.sender.id, topics.REACTION_CHANGED, reaction.mid, payload, revision)

    def _parse_read_receipt(self, update: Update, raw: Any, account: Account) -> ChannelEvent | None:
        read_receipt = parse_item(ReadReceipt, raw, account)
        if read_receipt is None or update.sender.id == account.settings.ig_id:
            return None
        receipt = Receipt(state="read", at=parse_time(update.timestamp, self._now), external_id=read_receipt.mid)
        return _build_event(update.sender.id, topics.RECEIPT_RECORDED, read_receipt.mid, receipt.model_dump(), "read")

    def _log_skipped(self, part: str, account: Account, **more: Any) -> None:
        log.info(
            "update_left_out",
            tenant=account.tenant,
            channel=account.channel,
            account=account.name,
            part=part,
            **more,
        )


FRAME = frozenset({"sender", "recipient", "timestamp"})


def _build_event(
    place: str, type_: str, external_id: str, payload: Mapping[str, Any], revision: str = ""
) -> ChannelEvent:
    address = Address(channel="instagram", value=place, assurance="channel")
    return ChannelEvent(type_, place, external_id, payload, [address], revision)
