"""Parsing of Meta's WhatsApp updates: messages, changes, statuses, and changes of identity."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from pydantic import ValidationError

from connectors.inbound.display_names import clean_display_name
from connectors.meta_graph import webhooks
from connectors.meta_graph.errors import get_reason
from connectors.meta_graph.models import parse_item, parse_items, parse_time
from connectors.whatsapp.identity import CHANNEL, WhatsAppUser
from connectors.whatsapp.meta.contents import Payload, build_product_referral, build_referral, read_content
from connectors.whatsapp.meta.models import (
    Change,
    Context,
    Edit,
    Message,
    Person,
    Preference,
    Problem,
    Reaction,
    Revoke,
    Status,
    SystemChange,
    UserIdUpdate,
    Value,
    VoiceCall,
)
from schemas import ids, topics
from schemas.messages import Address, Author, Quote, Receipt, ReceiptState
from schemas.ports import Account, ChannelEvent

__all__ = ["OBJECT", "Change", "UpdateParser"]

log = structlog.get_logger("parley.inbound")
OBJECT = "whatsapp_business_account"
STATES: dict[str, ReceiptState] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "played": "read",
    "failed": "failed",
}
IGNORED_TYPES = frozenset({"request_welcome"})
"""Types without any content from the contact."""
BUTTON_TYPES = frozenset({"interactive", "button"})
"""Types that answer the message whose button was pressed; they quote nothing."""
NOTE = Author(kind="system")


class UpdateParser:
    """Parses the changes of one request."""

    def __init__(self, called: Account, now: datetime) -> None:
        self._called = called
        self._now = now
        self._kinds: dict[str, Callable[[Message, Any, WhatsAppUser], ChannelEvent]] = {
            "reaction": self._parse_reaction,
            "edit": self._parse_edit,
            "revoke": self._parse_revoke,
        }

    def parse_change(self, change: Change) -> Iterator[ChannelEvent]:
        parse = {
            "messages": self._parse_messages,
            "smb_message_echoes": self._parse_echoes,
            "user_id_update": self._parse_user_ids,
            "user_preferences": self._parse_preferences,
            "calls": self._parse_calls,
        }.get(change.field)
        value = change.value
        if parse is None or value.metadata is None:
            self._log_skipped("field", change.field, self._called)
            return
        number = value.metadata.phone_number_id
        account = webhooks.find_owner(self._called, lambda settings: _is_number(settings, number))
        if account is None:
            return
        for problem in parse_items(Problem, value.errors, account):
            log.warning("vendor_error", tenant=account.tenant, channel=account.channel, code=problem.code)
        for event in parse(value, account):
            if account is not self._called:
                event.account = account
            yield event

    # ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _parse_messages(self, value: Value, account: Account) -> Iterator[ChannelEvent]:
        people = list(parse_items(Person, value.contacts, account))
        for raw in value.messages:
            message = parse_item(Message, raw, account)
            if message is None:
                continue
            yield from self._parse_message(message, raw, people, account)
        for status in parse_items(Status, value.statuses, account):
            if (event := self._parse_status(status, account)) is not None:
                yield event

    def _parse_message(
        self, message: Message, raw: Any, people: list[Person], account: Account
    ) -> Iterator[ChannelEvent]:
        user = find_user(message.from_user_id, message.from_, people)
        if user is None or message.group_id or message.type in IGNORED_TYPES:
            self._log_skipped("message", message.type if user else "nobody's", account, message.id)
            return
        content = raw.get(message.type)
        if message.type == "system":
            yield from self._parse_system(message, content, user)
            return
        try:
            if message.type in self._kinds:
                yield self._kinds[message.type](message, content, user)
                return
            payload = read_content(message.type, content, account)
        except (ValidationError, TypeError, ValueError):
            payload = None
        if payload is None:
            log.warning(
                "kind_unknown", tenant=account.tenant, channel=account.channel, kind=_shorten_kind(message.type)
            )
            payload = {"unsupported": _shorten_kind(message.type) or "unsupported"}
        yield self._build_message(message, payload, user, Author(kind="contact", name=user.name))

    def _build_message(self, message: Message, payload: Payload, user: WhatsAppUser, author: Author) -> ChannelEvent:
        payload = {"author": author, "sent_at": parse_time(message.timestamp, self._now), **payload}
        if (context := _try_parse(Context.model_validate, message.context)) and context.id:
            payload["answers"] = context.id
            if message.type not in BUTTON_TYPES:
                payload["quote"] = Quote()
        if origin := _try_parse(build_referral, message.referral) or _try_parse(
            build_product_referral, message.context
        ):
            payload["referral"] = origin
        return user.build_event(topics.MESSAGE_RECEIVED, message.id, payload)

    def _build_note(self, user: WhatsAppUser, external_id: str, kind: str, stamp: str) -> ChannelEvent:
        """Build a message that people and the agent should see and that nobody answers."""
        payload = {"author": NOTE, "shown": True, "unsupported": kind, "sent_at": parse_time(stamp, self._now)}
        return user.build_event(topics.MESSAGE_RECEIVED, external_id, payload)

    def _parse_echoes(self, value: Value, account: Account) -> Iterator[ChannelEvent]:
        """Messages that colleagues write in the WhatsApp Business app; our own sends have no echo."""
        people = list(parse_items(Person, value.contacts, account))
        for raw in value.message_echoes:
            message = parse_item(Message, raw, account)
            user = find_user(message.to_user_id, message.to, people) if message else None
            if message is None or user is None or message.group_id or message.type in ("reaction", "system"):
                self._log_skipped("echo", message.type if message else "", account)
                continue
            if message.type in self._kinds:
                if change := _try_parse(partial(self._apply_parser, message, user), raw.get(message.type)):
                    yield change
                continue
            payload = _try_parse(partial(read_content, message.type, account=account), raw.get(message.type))
            payload = {**(payload or {"unsupported": _shorten_kind(message.type)}), "shown": True}
            yield self._build_message(message, payload, user, Author(kind="person"))

    def _apply_parser(self, message: Message, user: WhatsAppUser, content: Any) -> ChannelEvent:
        return self._kinds[message.type](message, content, user)

    # ── changes ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _parse_reaction(self, message: Message, content: Any, user: WhatsAppUser) -> ChannelEvent:
        reaction = Reaction.model_validate(content)
        at = parse_time(message.timestamp, self._now)
        payload = {"emoji": reaction.emoji, "taken_back": not reaction.emoji, "only": True, "at": at}
        revision = f"{reaction.emoji}:{user.place}:{message.timestamp}"
        return user.build_event(topics.REACTION_CHANGED, reaction.message_id, payload, revision)

    def _parse_edit(self, message: Message, content: Any, user: WhatsAppUser) -> ChannelEvent:
        edit = Edit.model_validate(content)
        kind = str(edit.message.get("type", ""))
        payload = read_content(kind, edit.message.get(kind), self._called) or {}
        at = parse_time(message.timestamp, self._now)
        payload = {"text": payload.get("text", ""), "edited_at": at, "revision": int(at.timestamp())}
        return user.build_event(topics.MESSAGE_EDITED, edit.original_message_id, payload, message.id)

    def _parse_revoke(self, message: Message, content: Any, user: WhatsAppUser) -> ChannelEvent:
        payload = {"deleted_at": parse_time(message.timestamp, self._now)}
        return user.build_event(topics.MESSAGE_DELETED, Revoke.model_validate(content).original_message_id, payload)

    def _parse_status(self, status: Status, account: Account) -> ChannelEvent | None:
        user = find_user(status.recipient_user_id, status.recipient_id, [])
        state = STATES.get(status.status)
        if user is None or state is None or status.recipient_type == "group":
            self._log_skipped("status", status.status, account, status.id)
            return None
        if ids.PROBE in status.biz_opaque_callback_data:
            state = "sent"  # a refusal says as well that reports come
        problem = next(parse_items(Problem, status.errors, account), None) if state == "failed" else None
        receipt = Receipt(
            state=state,
            at=parse_time(status.timestamp, self._now),
            external_id=status.id,
            marker=status.biz_opaque_callback_data,
            reason=get_reason(problem.code) if problem else "",
        )
        return user.build_event(topics.RECEIPT_RECORDED, status.id, receipt.model_dump(), status.status)

    # ── identity ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _parse_system(self, message: Message, content: Any, user: WhatsAppUser) -> Iterator[ChannelEvent]:
        change = _try_parse(SystemChange.model_validate, content) or SystemChange()
        if change.type == "customer_identity_changed":
            yield self._build_note(user, message.id, "identity_changed", message.timestamp)
            return
        if change.type not in ("user_changed_number", "user_changed_user_id"):
            self._log_skipped("system", change.type, self._called, message.id)
            return
        user_with_ids = user.add_ids(change.user_id, change.wa_id)
        payload: Payload = {"at": parse_time(message.timestamp, self._now)}
        if change.wa_id and change.wa_id != message.from_ and message.from_.isdecimal():
            # The number may belong to somebody else one day.
            payload["left"] = [Address(channel=CHANNEL, value=message.from_, assurance="channel")]
        yield user_with_ids.build_event(topics.CONTACT_CHANGED, message.id, payload)
        if change.type == "user_changed_number":
            yield self._build_note(user_with_ids, message.id, "number_changed", message.timestamp)

    def _parse_preferences(self, value: Value, account: Account) -> Iterator[ChannelEvent]:
        """Opt-outs from marketing messages. Questions of the contact are still answered."""
        people = list(parse_items(Person, value.contacts, account))
        for preference in parse_items(Preference, value.user_preferences, account):
            user = find_user(preference.user_id, preference.wa_id, people)
            if (
                user is None
                or preference.category != "marketing_messages"
                or preference.value not in ("stop", "resume")
            ):
                self._log_skipped("preference", preference.category, account)
                continue
            at, stops = parse_time(preference.timestamp, self._now), preference.value == "stop"
            external_id = f"preference:{preference.value}:{preference.timestamp}"
            yield user.build_event(topics.CONTACT_CHANGED, external_id, {"marketing_opted_out": stops, "at": at})
            yield self._build_note(
                user, external_id, "marketing_stopped" if stops else "marketing_resumed", preference.timestamp
            )

    def _parse_calls(self, value: Value, account: Account) -> Iterator[ChannelEvent]:
        """A missed call becomes one message that says so: calls cannot be taken here."""
        people = list(parse_items(Person, value.contacts, account))
        own = value.metadata.display_phone_number.lstrip("+") if value.metadata else ""
        for call in parse_items(VoiceCall, value.calls, account):
            is_from_us = bool(own) and call.from_.lstrip("+") == own
            ids = (call.to_user_id, call.to) if is_from_us else (call.from_user_id, call.from_)
            user = find_user(*ids, people)
            if user is None or not call.is_missed:
                self._log_skipped("call", call.event, account, call.id)
                continue
            author = Author(kind="contact", name=user.name)
            at = parse_time(call.timestamp, self._now)
            payload = {"author": author, "sent_at": at, "unsupported": "missed_call"}
            yield user.build_event(topics.MESSAGE_RECEIVED, call.id, payload)

    def _parse_user_ids(self, value: Value, account: Account) -> Iterator[ChannelEvent]:
        for update in parse_items(UserIdUpdate, value.user_id_update, account):
            user = WhatsAppUser(update.user_id.previous).add_ids(update.user_id.current, update.wa_id)
            at = parse_time(update.timestamp, self._now)
            yield user.build_event(topics.CONTACT_CHANGED, f"user_id:{update.user_id.current}", {"at": at})

    def _log_skipped(self, part_name: str, kind: str, account: Account, external_id: str = "") -> None:
        log.info(
            "update_left_out",
            tenant=account.tenant,
            channel=account.channel,
            account=account.name,
            part=part_name,
            kind=_shorten_kind(kind),
            external_id=external_id,
        )


def _is_number(settings: Any, phone_number_id: str) -> bool:
    return bool(settings.provider == "meta" and settings.phone_number_id == phone_number_id)


def _shorten_kind(kind: str) -> str:
    return clean_display_name(kind)[:40]


def _try_parse(parse: Callable[[Any], Any], raw: Any) -> Any:
    """Parse optional data; None where it is invalid."""
    try:
        return None if raw is None else parse(raw)
    except (ValidationError, TypeError, ValueError):
        return None


def find_user(user_id: str, number: str, people: Sequence[Person]) -> WhatsAppUser | None:
    """Return the user of an update, None if it names nobody. ``number`` may be missing, or be a user id. ``people`` is
    matched by id, not by position."""
    given_ids = {user_id, number} - {""}
    person = next((each for each in people if given_ids & {each.user_id, each.wa_id}), Person())
    ids = [each for each in (user_id, person.user_id, number, person.wa_id) if each]
    if not ids:
        return None
    name = clean_display_name(person.profile.name, person.profile.username)
    return WhatsAppUser(ids[0], name=name).add_ids(*ids[1:])
