"""Meta's updates about WhatsApp as events: messages, their changes, statuses, and who somebody is from now on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from pydantic import ValidationError

from connectors.graph import webhooks
from connectors.graph.failures import reason
from connectors.graph.parts import moment, read, read_all
from connectors.names import shown_name
from connectors.whatsapp.identity import CHANNEL, Party
from connectors.whatsapp.meta.contents import Payload, referral, said
from connectors.whatsapp.meta.models import (
    Change,
    Context,
    Edit,
    Person,
    Problem,
    Reaction,
    Revoke,
    Sent,
    Status,
    System,
    UserIdUpdate,
    Value,
)
from connectors.whatsapp.meta.people import party
from schemas import topics
from schemas.messages import Address, Author, Receipt, ReceiptState
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


class Updates:
    """Reads the changes of one request."""

    def __init__(self, called: Account, now: datetime) -> None:
        self._called = called
        self._now = now
        self._kinds: dict[str, Callable[[Sent, Any, Party], Event | None]] = {
            "reaction": self._reaction,
            "edit": self._edit,
            "revoke": self._revoke,
            "system": self._system,
        }

    def of(self, change: Change) -> Iterator[Event]:
        found = {
            "messages": self._messages,
            "smb_message_echoes": self._echoes,
            "user_id_update": self._user_ids,
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
            event = self._message(sent, raw, people, account)
            if event is not None:
                yield event
        for status in read_all(Status, value.statuses, account):
            if (event := self._status(status, account)) is not None:
                yield event

    def _message(self, sent: Sent, raw: Any, people: list[Person], account: Account) -> Event | None:
        who = party(sent.from_user_id, sent.from_, people)
        if who is None or sent.group_id or sent.type in NO_CONTENT:
            self._left_out("message", sent.type if who else "nobody's", account, sent.id)
            return None
        content = raw.get(sent.type)
        try:
            if sent.type in self._kinds:
                return self._kinds[sent.type](sent, content, who)
            payload = said(sent.type, content, account)
        except (ValidationError, TypeError, ValueError):
            payload = None
        if payload is None:
            log.warning("kind_unknown", tenant=account.tenant, channel=account.channel, kind=_short(sent.type))
            payload = {"unsupported": _short(sent.type) or "unsupported"}
        return self._received(sent, payload, who, Author(kind="contact", name=who.name))

    def _received(self, sent: Sent, payload: Payload, who: Party, author: Author) -> Event:
        payload = {"author": author, "sent_at": moment(sent.timestamp, self._now), **payload}
        if (context := _or_none(Context.model_validate, sent.context)) and context.id:
            payload["answers"] = context.id
        if origin := _or_none(referral, sent.referral):
            payload["referral"] = origin
        return who.event(topics.MESSAGE_RECEIVED, sent.id, payload)

    def _echoes(self, value: Value, account: Account) -> Iterator[Event]:
        """Somebody of the business answers in the WhatsApp Business app; what we send ourselves has no echo."""
        people = list(read_all(Person, value.contacts, account))
        for raw in value.message_echoes:
            sent = read(Sent, raw, account)
            who = party(sent.to_user_id, sent.to, people) if sent else None
            if sent is None or who is None or sent.group_id or sent.type in self._kinds:
                self._left_out("echo", sent.type if sent else "", account)
                continue
            payload = _or_none(partial(said, sent.type, account=account), raw.get(sent.type))
            payload = {**(payload or {"unsupported": _short(sent.type)}), "shown": True}
            yield self._received(sent, payload, who, Author(kind="person"))

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

    def _system(self, sent: Sent, content: Any, who: Party) -> Event | None:
        told = System.model_validate(content)
        if told.type not in ("user_changed_number", "user_changed_user_id"):
            self._left_out("system", told.type, self._called, sent.id)
            return None
        known = who.also(told.user_id, told.wa_id)
        payload: Payload = {"at": moment(sent.timestamp, self._now)}
        if told.wa_id and told.wa_id != sent.from_ and sent.from_.isdecimal():
            # The number will be somebody else's one day.
            payload["left"] = [Address(channel=CHANNEL, value=sent.from_, assurance="channel")]
        return known.event(topics.CONTACT_CHANGED, sent.id, payload)

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
