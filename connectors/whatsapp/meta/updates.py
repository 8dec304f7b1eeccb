"""Meta's updates about WhatsApp as events: messages, their changes, statuses, and who somebody is from now on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from pydantic import ValidationError

from connectors.graph import webhooks
from connectors.graph.errors import reason
from connectors.graph.models import moment, read, read_all
from connectors.inbound.display_names import shown_name
from connectors.whatsapp.identity import CHANNEL, Party
from connectors.whatsapp.meta.contents import Payload, product, referral, said
from connectors.whatsapp.meta.models import (
    Change,
    Context,
    Edit,
    Person,
    Preference,
    Problem,
    Reaction,
    Revoke,
    Sent,
    Status,
    System,
    UserIdUpdate,
    Value,
    VoiceCall,
)
from schemas import topics
from schemas.messages import Address, Author, Quote, Receipt, ReceiptState
from schemas.ports import Account, Event

__all__ = ["OBJECT", "Change", "Updates"]

log = structlog.get_logger("parley.inbound")
OBJECT = "whatsapp_business_account"
STATES: dict[str, ReceiptState] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "played": "read",
    "failed": "failed",
}
NO_CONTENT = frozenset({"request_welcome"})
"""Kinds with which a customer says nothing."""
PRESSED = frozenset({"interactive", "button"})
"""Kinds that answer a message by being pressed below it: that quotes nothing."""
NOTE = Author(kind="system")


class Updates:
    """Reads the changes of one request."""

    def __init__(self, called: Account, now: datetime) -> None:
        self._called = called
        self._now = now
        self._kinds: dict[str, Callable[[Sent, Any, Party], Event]] = {
            "reaction": self._reaction,
            "edit": self._edit,
            "revoke": self._revoke,
        }

    def of(self, change: Change) -> Iterator[Event]:
        found = {
            "messages": self._messages,
            "smb_message_echoes": self._echoes,
            "user_id_update": self._user_ids,
            "user_preferences": self._preferences,
            "calls": self._calls,
        }.get(change.field)
        value = change.value
        if found is None or value.metadata is None:
            self._left_out("field", change.field, self._called)
            return
        number = value.metadata.phone_number_id
        account = webhooks.owner(self._called, lambda settings: _is_number(settings, number))
        if account is None:
            return
        for problem in read_all(Problem, value.errors, account):
            log.warning("vendor_error", tenant=account.tenant, channel=account.channel, code=problem.code)
        for event in found(value, account):
            if account is not self._called:
                event.account = account
            yield event

    # ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _messages(self, value: Value, account: Account) -> Iterator[Event]:
        people = list(read_all(Person, value.contacts, account))
        for raw in value.messages:
            sent = read(Sent, raw, account)
            if sent is None:
                continue
            yield from self._message(sent, raw, people, account)
        for status in read_all(Status, value.statuses, account):
            if (event := self._status(status, account)) is not None:
                yield event

    def _message(self, sent: Sent, raw: Any, people: list[Person], account: Account) -> Iterator[Event]:
        who = party(sent.from_user_id, sent.from_, people)
        if who is None or sent.group_id or sent.type in NO_CONTENT:
            self._left_out("message", sent.type if who else "nobody's", account, sent.id)
            return
        content = raw.get(sent.type)
        if sent.type == "system":
            yield from self._system(sent, content, who)
            return
        try:
            if sent.type in self._kinds:
                yield self._kinds[sent.type](sent, content, who)
                return
            payload = said(sent.type, content, account)
        except (ValidationError, TypeError, ValueError):
            payload = None
        if payload is None:
            log.warning("kind_unknown", tenant=account.tenant, channel=account.channel, kind=_short(sent.type))
            payload = {"unsupported": _short(sent.type) or "unsupported"}
        yield self._received(sent, payload, who, Author(kind="contact", name=who.name))

    def _received(self, sent: Sent, payload: Payload, who: Party, author: Author) -> Event:
        payload = {"author": author, "sent_at": moment(sent.timestamp, self._now), **payload}
        if (context := _or_none(Context.model_validate, sent.context)) and context.id:
            payload["answers"] = context.id
            if sent.type not in PRESSED:
                payload["quote"] = Quote()
        if origin := _or_none(referral, sent.referral) or _or_none(product, sent.context):
            payload["referral"] = origin
        return who.event(topics.MESSAGE_RECEIVED, sent.id, payload)

    def _note(self, who: Party, external_id: str, kind: str, stamp: str) -> Event:
        """Something that people and the agent should know, and that nobody answers."""
        payload = {"author": NOTE, "shown": True, "unsupported": kind, "sent_at": moment(stamp, self._now)}
        return who.event(topics.MESSAGE_RECEIVED, external_id, payload)

    def _echoes(self, value: Value, account: Account) -> Iterator[Event]:
        """Somebody of the business answers in the WhatsApp Business app; what we send ourselves has no echo."""
        people = list(read_all(Person, value.contacts, account))
        for raw in value.message_echoes:
            sent = read(Sent, raw, account)
            who = party(sent.to_user_id, sent.to, people) if sent else None
            if sent is None or who is None or sent.group_id or sent.type in ("reaction", "system"):
                self._left_out("echo", sent.type if sent else "", account)
                continue
            if sent.type in self._kinds:
                if change := _or_none(partial(self._changed, sent, who), raw.get(sent.type)):
                    yield change
                continue
            payload = _or_none(partial(said, sent.type, account=account), raw.get(sent.type))
            payload = {**(payload or {"unsupported": _short(sent.type)}), "shown": True}
            yield self._received(sent, payload, who, Author(kind="person"))

    def _changed(self, sent: Sent, who: Party, content: Any) -> Event:
        return self._kinds[sent.type](sent, content, who)

    # ── changes ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _reaction(self, sent: Sent, content: Any, who: Party) -> Event:
        reaction = Reaction.model_validate(content)
        at = moment(sent.timestamp, self._now)
        payload = {"emoji": reaction.emoji, "taken_back": not reaction.emoji, "only": True, "at": at}
        revision = f"{reaction.emoji}:{who.place}:{sent.timestamp}"
        return who.event(topics.REACTION_CHANGED, reaction.message_id, payload, revision)

    def _edit(self, sent: Sent, content: Any, who: Party) -> Event:
        edit = Edit.model_validate(content)
        kind = str(edit.message.get("type", ""))
        payload = said(kind, edit.message.get(kind), self._called) or {}
        at = moment(sent.timestamp, self._now)
        payload = {"text": payload.get("text", ""), "edited_at": at, "revision": int(at.timestamp())}
        return who.event(topics.MESSAGE_EDITED, edit.original_message_id, payload, sent.id)

    def _revoke(self, sent: Sent, content: Any, who: Party) -> Event:
        payload = {"deleted_at": moment(sent.timestamp, self._now)}
        return who.event(topics.MESSAGE_DELETED, Revoke.model_validate(content).original_message_id, payload)

    def _status(self, status: Status, account: Account) -> Event | None:
        who = party(status.recipient_user_id, status.recipient_id, [])
        state = STATES.get(status.status)
        if who is None or state is None or status.recipient_type == "group":
            self._left_out("status", status.status, account, status.id)
            return None
        failed = next(read_all(Problem, status.errors, account), None) if state == "failed" else None
        receipt = Receipt(
            state=state,
            at=moment(status.timestamp, self._now),
            external_id=status.id,
            marker=status.biz_opaque_callback_data,
            reason=reason(failed.code) if failed else "",
        )
        return who.event(topics.RECEIPT_RECORDED, status.id, receipt.model_dump(), status.status)

    # ── identity ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _system(self, sent: Sent, content: Any, who: Party) -> Iterator[Event]:
        told = _or_none(System.model_validate, content) or System()
        if told.type == "customer_identity_changed":
            yield self._note(who, sent.id, "identity_changed", sent.timestamp)
            return
        if told.type not in ("user_changed_number", "user_changed_user_id"):
            self._left_out("system", told.type, self._called, sent.id)
            return
        known = who.also(told.user_id, told.wa_id)
        payload: Payload = {"at": moment(sent.timestamp, self._now)}
        if told.wa_id and told.wa_id != sent.from_ and sent.from_.isdecimal():
            # The number will be somebody else's one day.
            payload["left"] = [Address(channel=CHANNEL, value=sent.from_, assurance="channel")]
        yield known.event(topics.CONTACT_CHANGED, sent.id, payload)
        if told.type == "user_changed_number":
            yield self._note(known, sent.id, "number_changed", sent.timestamp)

    def _preferences(self, value: Value, account: Account) -> Iterator[Event]:
        """Whether somebody wants marketing messages. What they ask is answered all the same."""
        people = list(read_all(Person, value.contacts, account))
        for told in read_all(Preference, value.user_preferences, account):
            who = party(told.user_id, told.wa_id, people)
            if who is None or told.category != "marketing_messages" or told.value not in ("stop", "resume"):
                self._left_out("preference", told.category, account)
                continue
            at, stops = moment(told.timestamp, self._now), told.value == "stop"
            about = f"preference:{told.value}:{told.timestamp}"
            yield who.event(topics.CONTACT_CHANGED, about, {"marketing_opted_out": stops, "at": at})
            yield self._note(who, about, "marketing_stopped" if stops else "marketing_resumed", told.timestamp)

    def _calls(self, value: Value, account: Account) -> Iterator[Event]:
        """A call that nobody took is a message that says so, once for each call: calls are not taken here."""
        people = list(read_all(Person, value.contacts, account))
        own = value.metadata.display_phone_number.lstrip("+") if value.metadata else ""
        for call in read_all(VoiceCall, value.calls, account):
            is_from_us = bool(own) and call.from_.lstrip("+") == own
            ids = (call.to_user_id, call.to) if is_from_us else (call.from_user_id, call.from_)
            who = party(*ids, people)
            if who is None or not call.is_missed:
                self._left_out("call", call.event, account, call.id)
                continue
            author = Author(kind="contact", name=who.name)
            at = moment(call.timestamp, self._now)
            payload = {"author": author, "sent_at": at, "unsupported": "missed_call"}
            yield who.event(topics.MESSAGE_RECEIVED, call.id, payload)

    def _user_ids(self, value: Value, account: Account) -> Iterator[Event]:
        for update in read_all(UserIdUpdate, value.user_id_update, account):
            known = Party(update.user_id.previous).also(update.user_id.current, update.wa_id)
            at = moment(update.timestamp, self._now)
            yield known.event(topics.CONTACT_CHANGED, f"user_id:{update.user_id.current}", {"at": at})

    def _left_out(self, what: str, kind: str, account: Account, external_id: str = "") -> None:
        log.info(
            "update_left_out",
            tenant=account.tenant,
            channel=account.channel,
            account=account.name,
            part=what,
            kind=_short(kind),
            external_id=external_id,
        )


def _is_number(settings: Any, phone_number_id: str) -> bool:
    return bool(settings.provider == "meta" and settings.phone_number_id == phone_number_id)


def _short(kind: str) -> str:
    return shown_name(kind)[:40]


def _or_none(read: Callable[[Any], Any], found: Any) -> Any:
    """What is only beside a message is left out when it makes no sense."""
    try:
        return None if found is None else read(found)
    except (ValidationError, TypeError, ValueError):
        return None


# Who an update is about.
def party(user_id: str, number: str, people: Sequence[Person]) -> Party | None:
    """``number`` may be missing, or be a user id itself. ``people`` is looked through by id, never by order. None when
    nothing tells who it is."""
    known = {user_id, number} - {""}
    person = next((each for each in people if known & {each.user_id, each.wa_id}), Person())
    ids = [each for each in (user_id, person.user_id, number, person.wa_id) if each]
    if not ids:
        return None
    name = shown_name(person.profile.name, person.profile.username)
    return Party(ids[0], name=name).also(*ids[1:])
