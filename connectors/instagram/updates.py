"""Meta's updates about Instagram as events. One mid may come back as an edit, a deletion, a reaction or a read mark."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

import structlog

from connectors.graph import webhooks
from connectors.graph.models import Entry, moment, read, read_all
from connectors.instagram import contents
from connectors.instagram.models import Attached, Edited, Postback, Reaction, Referred, Said, Seen, Update
from schemas import topics
from schemas.messages import Address, Author, Receipt
from schemas.ports import Account, Event

log = structlog.get_logger("parley.inbound")
OBJECT = "instagram"
EMOJI = {"love": "❤️", "wow": "😮", "sad": "😢", "laugh": "😆", "angry": "😠", "like": "👍"}
CONTACT, PERSON, NOTE = Author(kind="contact"), Author(kind="person"), Author(kind="system")


class Updates:
    """Reads the entries of one request."""

    def __init__(self, called: Account, now: datetime) -> None:
        self._called = called
        self._now = now
        self._kinds: dict[str, Callable[[Update, Any, Account], Event | None]] = {
            "message": self._message,
            "message_edit": self._edit,
            "postback": self._postback,
            "reaction": self._reaction,
            "read": self._seen,
            "referral": self._referred,
        }

    def of(self, entry: Entry) -> Iterator[Event]:
        """Comments and mentions (``changes``) are no messages, and while another app has the conversations
        (``standby``) we only overhear it."""
        account = webhooks.owner(self._called, lambda settings: bool(settings.ig_id == entry.id))
        for list_ in ("changes", "standby"):
            if found := getattr(entry, list_):
                self._left_out(list_, account or self._called, count=len(found))
        if account is None:
            return
        for raw in entry.messaging:
            event = self._update(raw, account)
            if event is not None:
                event.account = None if account is self._called else account
                yield event

    def _update(self, raw: Any, account: Account) -> Event | None:
        update = read(Update, raw, account)
        if update is None:
            return None
        kind = next((each for each in self._kinds if each in raw), None)
        if kind is None:
            # Consents, who has the thread, and what is not invented yet.
            self._left_out("update", account, kinds=sorted(ascii(key)[:40] for key in raw.keys() - FRAME)[:5])
            return None
        return self._kinds[kind](update, raw[kind], account)

    def _message(self, update: Update, found: Any, account: Account) -> Event | None:
        message = read(Said, found, account)
        if message is None:
            return None
        is_ours = message.is_echo or update.sender.id == account.settings.ig_id
        if is_ours and (message.app_id or message.is_deleted):
            # What an app has sent, ours or another.
            self._left_out("echo", account, external_id=message.mid)
            return None
        at = moment(update.timestamp, self._now)
        if message.is_deleted:
            return _event(update.sender.id, topics.MESSAGE_DELETED, message.mid, {"deleted_at": at})
        attached = list(read_all(Attached, message.attachments, account))
        payload = contents.said(message, attached, account)
        payload |= {"author": PERSON, "shown": True} if is_ours else {"author": CONTACT}
        payload["sent_at"] = at
        place = update.recipient.id if is_ours else update.sender.id
        event = _event(place, topics.MESSAGE_RECEIVED, message.mid, payload)
        # A person who answers in Instagram uses no app; but nobody promises that the app is always named.
        event.echo = is_ours
        return event

    def _postback(self, update: Update, found: Any, account: Account) -> Event | None:
        postback = read(Postback, found, account)
        if postback is None or update.sender.id == account.settings.ig_id:
            return None
        # For long there was no mid; who pressed what at which moment is one press.
        digest = hashlib.sha256(postback.payload.encode()).hexdigest()[:16]
        mid = postback.mid or f"postback:{update.timestamp}:{digest}"
        at = moment(update.timestamp, self._now)
        payload = {**contents.pressed(postback, account), "author": CONTACT, "sent_at": at}
        return _event(update.sender.id, topics.MESSAGE_RECEIVED, mid, payload)

    def _referred(self, update: Update, found: Any, account: Account) -> Event | None:
        """Somebody came by an advertisement or a link and has not written yet: a note, which nobody answers."""
        referred = read(Referred, found, account)
        if referred is None or update.sender.id == account.settings.ig_id:
            return None
        origin = contents.referral(referred)
        digest = hashlib.sha256(f"{origin.source}\0{origin.ref}".encode()).hexdigest()[:16]
        at = moment(update.timestamp, self._now)
        payload = {"author": NOTE, "shown": True, "referral": origin, "sent_at": at}
        return _event(update.sender.id, topics.MESSAGE_RECEIVED, f"referral:{update.timestamp}:{digest}", payload)

    def _edit(self, update: Update, found: Any, account: Account) -> Event | None:
        edited = read(Edited, found, account)
        if edited is None or update.sender.id == account.settings.ig_id:
            return None
        at = moment(update.timestamp, self._now)
        payload = {"text": edited.text, "edited_at": at, "revision": edited.num_edit}
        return _event(update.sender.id, topics.MESSAGE_EDITED, edited.mid, payload, str(edited.num_edit))

    def _reaction(self, update: Update, found: Any, account: Account) -> Event | None:
        reaction = read(Reaction, found, account)
        if reaction is None or update.sender.id == account.settings.ig_id:
            return None
        emoji = reaction.emoji or EMOJI.get(reaction.reaction, "")
        payload = {
            "emoji": emoji,
            "taken_back": reaction.action == "unreact",
            "only": True,
            "at": moment(update.timestamp, self._now),
        }
        revision = f"{emoji}:{update.sender.id}:{update.timestamp}"
        return _event(update.sender.id, topics.REACTION_CHANGED, reaction.mid, payload, revision)

    def _seen(self, update: Update, found: Any, account: Account) -> Event | None:
        seen = read(Seen, found, account)
        if seen is None or update.sender.id == account.settings.ig_id:
            return None
        receipt = Receipt(state="read", at=moment(update.timestamp, self._now), external_id=seen.mid)
        return _event(update.sender.id, topics.RECEIPT_RECORDED, seen.mid, receipt.model_dump(), "read")

    def _left_out(self, part: str, account: Account, **more: Any) -> None:
        log.info(
            "update_left_out",
            tenant=account.tenant,
            channel=account.channel,
            account=account.name,
            part=part,
            **more,
        )


FRAME = frozenset({"sender", "recipient", "timestamp"})


def _event(place: str, type_: str, external_id: str, payload: Mapping[str, Any], revision: str = "") -> Event:
    address = Address(channel="instagram", value=place, assurance="channel")
    return Event(type_, place, external_id, payload, [address], revision)
