"""People on WhatsApp by way of Twilio, and the controls of a test over what the vendor does with their messages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.simulators.twilio.account_state import Person
from tests.simulators.twilio.api import Api
from tests.simulators.twilio.records import Record
from tests.simulators.twilio.signing import Pairs, Signer
from tests.simulators.vendor import File, ShownMessage
from tests.simulators.webhook_delivery import Webhook

STOP = {"stop", "unsubscribe", "end", "quit", "stopall", "cancel"}
START = {"start", "unstop", "yes"}
HELP = {"help", "info"}


class Twilio(Api):
    name = "whatsapp"

    def settings(self) -> dict[str, Any]:
        return {
            "provider": "twilio",
            "account_sid": self.account_sid,
            "auth_token": self.auth_token,
            "from": self.sender,
            "api_base": self.base,
        }

    def call(self, url: str) -> None:
        """The address may end with a fragment that asks for retries, such as ``#rc=5&rp=all``; without one, only a
        connection that cannot be made is tried again, once, and what was refused is lost."""
        self.url = url

    def place(self, person: str) -> str:
        return self.person(person).place

    async def say(self, person: str, text: str, *, files: Sequence[File] = (), reply_to: str = "") -> str:
        """A message carries one file here; further ones are messages of their own, and the id is the first one's."""
        first = self.receives(person, text, file=files[0] if files else None, reply_to=reply_to)
        for file in files[1:]:
            self.receives(person, "", file=file)
        return first

    def receives(
        self,
        person: str,
        text: str,
        *,
        file: File | None = None,
        reply_to: str = "",
        more: Pairs = (),
        without: Sequence[str] = (),
    ) -> str:
        """Any message: ``more`` parameters, in the vendor's own names, stand after the usual ones or in their place;
        those named in ``without`` are left out."""
        who = self.person(person)
        sid = "MM" if file else "SM"
        record = self.record(who.address, self.sender, text, direction="inbound", status="received", sid=sid)
        who.last_in = record.at
        pairs = [*self._usual(who, record, file, text), *self._replied(reply_to), *self._opted(who, text)]
        names = {name for name, _ in more} | set(without)
        self._announce(who, record, [pair for pair in pairs if pair[0] not in names] + list(more))
        return record.sid

    def sms(self, person: str, text: str) -> str:
        """A text message by phone to the same address: no prefix, nothing of WhatsApp."""
        who = self.person(person)
        number = self.sender.removeprefix("whatsapp:")
        record = self.record(who.number, number, text, direction="inbound", status="received")
        pairs = [("From", who.number), ("To", number), ("Body", text), ("NumMedia", "0"), *self._ids_of(record)]
        self._announce(who, record, pairs)
        return record.sid

    def shares_location(self, person: str, latitude: float, longitude: float, label: str = "") -> str:
        place = [("Latitude", str(latitude)), ("Longitude", str(longitude)), ("Label", label), ("Address", "")]
        return self.receives(person, "", more=[("MessageType", "location"), *place])

    def answered_by_hand(self, person: str, text: str) -> str:
        """Somebody of the business writes in Twilio's console."""
        who = self.person(person)
        record = self.record(self.sender, who.address, text, direction="outbound-api", status="delivered")
        self.ledger.show(ShownMessage(record.sid, self.account_sid, who.place, text))
        return record.sid

    async def edit(self, person: str, message: str, text: str) -> None:
        """Twilio does not pass on edits."""
        raise NotImplementedError

    async def delete(self, person: str, message: str) -> None:
        """Nor deletions."""
        raise NotImplementedError

    async def react(self, person: str, message: str, emoji: str, *, take_back: bool = False) -> None:
        """Nor reactions."""
        raise NotImplementedError

    async def choose(self, person: str, shown: ShownMessage, label: str) -> str:
        """Raises ValueError when the message has no such choice."""
        kind, id_ = self.records[shown.id].choices.get(label, ("", ""))
        if kind == "button":
            told = [("ButtonText", label), ("ButtonPayload", id_), ("MessageType", "button")]
        elif kind == "list":
            told = [("ListId", id_), ("ListTitle", label), ("MessageType", "interactive")]
        else:
            raise ValueError(f"no choice {label!r} in {shown.choices}")
        return self.receives(person, label, reply_to=shown.id, more=told)

    def read(self, shown: ShownMessage) -> None:
        self.tell(self.records[shown.id], "read")

    async def settled(self, *, deadline: float = 30) -> None:
        """Twilio gives up early; what it gave up is in ``webhooks.webhook_sender.lost``."""
        await self.webhooks.webhook_sender.settled(deadline)

    def redeliver(self, message: str, *, times: int = 1, at_once: bool = False, new_token: bool = False) -> None:
        for _ in range(times):
            self.webhooks.again(message, new_token=new_token, at_once=at_once)

    def sign_with_key(self) -> Signer:
        """From now on webhooks are signed with a shared key and SHA-256."""
        secret, key = self.ids.letters(40), self.ids.letters(26, "webhooks_sharedkey_")
        self.webhooks.signer = Signer(secret, key, "HMAC_SHA256")
        return self.webhooks.signer

    def event(self, body: Any, *, sent: Any = None) -> Webhook:
        """A webhook with a JSON body; ``sent`` is another body than the signed one."""
        signed = json.dumps(body).encode()
        return self.webhooks.post_json(self.url, signed, sent=None if sent is None else json.dumps(sent).encode())

    def reply_of(self, person: str, text: str) -> None:
        who = self.person(person)
        record = self.record(self.sender, who.address, text, direction="outbound-reply", status="sent")
        self.ledger.show(ShownMessage(record.sid, self.account_sid, who.place, text))

    def _announce(self, who: Person, record: Record, pairs: Pairs) -> None:
        if self.url:
            self.webhooks.post(self.url, pairs, lane=who.place, announces=record.sid, person=who.name)

    def _usual(self, who: Person, record: Record, file: File | None, text: str) -> list[tuple[str, str]]:
        kind = file.type.partition("/")[0] if file else "text"
        kind = kind if kind in ("text", "image", "audio", "video") else "document"
        pairs = [
            ("ProfileName", who.name),
            ("WaId", "" if who.number_hidden else who.number.lstrip("+")),
            ("ExternalUserId", f"whatsapp:{who.user_id}"),
            ("MessageType", kind),
            ("From", who.address),
            ("To", self.sender),
            ("Body", text),
            ("NumMedia", "1" if file else "0"),
            ("NumSegments", "1"),
            ("ReferralNumMedia", "0"),
            ("ChannelMetadata", json.dumps({"type": "whatsapp", "data": {"context": {"ProfileName": who.name}}})),
            *self._ids_of(record),
        ]
        if file is not None:
            pairs += [("MediaUrl0", self.attach(record, file)), ("MediaContentType0", file.type)]
        return [pair for pair in pairs if pair != ("WaId", "")]

    def _ids_of(self, record: Record) -> list[tuple[str, str]]:
        own = [(name, record.sid) for name in ("MessageSid", "SmsMessageSid", "SmsSid")]
        return [*own, ("AccountSid", self.account_sid), ("ApiVersion", "2010-04-01"), ("SmsStatus", "received")]

    def _replied(self, message: str) -> list[tuple[str, str]]:
        if not message:
            return []
        return [
            ("OriginalRepliedMessageSid", message),
            ("OriginalRepliedMessageSender", self.records[message].sender),
        ]

    def _opted(self, who: Person, text: str) -> list[tuple[str, str]]:
        """Words that Twilio itself listens to. The message still arrives."""
        word = text.strip().lower()
        if word in STOP:
            who.opted_out = True
            return [("OptOutType", "STOP")]
        if word in START:
            was, who.opted_out = who.opted_out, False
            return [("OptOutType", "START")] if was or word != "yes" else []
        return [("OptOutType", "HELP")] if word in HELP else []
