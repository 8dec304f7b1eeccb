"""Twilio's webhooks: signed, tried again only as the address asks for, with a fallback, and with an ear for TwiML."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from xml.etree import ElementTree

from tests.simulators.twilio.signing import Pairs, Signer, with_body_hash
from tests.simulators.vendor_clock import VendorClock
from tests.simulators.webhook_delivery import Outcome, Webhook, WebhookDelivery

FORM = "application/x-www-form-urlencoded; charset=UTF-8"
FIRST_WAIT = 0.25
"""Before the first retry; then twice as long each time. Twilio does not say how long it waits."""
LONGEST = 15.0
"""Seconds for all attempts together."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What an address asks for in its fragment: how often it is tried again, and after which failures."""

    retries: int
    after: frozenset[str]
    read_timeout: float
    total: float

    @classmethod
    def of(cls, url: str) -> Policy:
        asked = dict(parse_qsl(url.partition("#")[2]))
        after = frozenset(asked.get("rp", "ct").split(","))
        read = int(asked.get("rt", 15_000)) / 1000
        return cls(min(5, int(asked.get("rc", 1))), after, read, int(asked.get("tt", 15_000)) / 1000)

    def covers(self, outcome: Outcome) -> bool:
        if isinstance(outcome, int):
            return "all" in self.after or f"{outcome // 100}xx" in self.after
        return "all" in self.after or ("rt" if outcome == "late" else "ct") in self.after


class Webhooks:
    """``public_url`` maps the address that is signed to the one on loopback: (public prefix, own prefix). ``debugger``
    lists the errors that Twilio's console would show: 11200 no good answer, 11205 no connection, 12300 and 12100 an
    answer that cannot be read. ``reply`` is called with what an answer says to the person."""

    def __init__(self, pace: VendorClock, signer: Signer, reply: Callable[[str, str], None], seed: int) -> None:
        self.signer = signer
        self.public_url: tuple[str, str] | None = None
        self.fallback_url = ""
        self.method = "POST"
        self.alter: Callable[[dict[str, str]], dict[str, str]] = lambda headers: headers
        """What becomes of the headers of a webhook: a forger's go here."""
        self.debugger: list[int] = []
        self.webhook_sender = WebhookDelivery(pace, self._wait_after, ended=self._ended)
        self._random = random.Random(seed)
        self._reply = reply
        self._policies: dict[Webhook, Policy] = {}
        self._persons: dict[Webhook, tuple[str, Pairs]] = {}
        self._announced: dict[str, tuple[str, Pairs, Webhook]] = {}

    def post(
        self,
        url: str,
        pairs: Pairs,
        *,
        lane: str = "",
        announces: str = "",
        person: str = "",
        at_once: bool = False,
        raw: bytes | None = None,
        token: str = "",
    ) -> Webhook:
        """``person``: who sees what the answer says. ``raw``: bytes of a body that no encoder would make; the signature
        is over ``pairs`` all the same."""
        body = urlencode(pairs).encode() if raw is None else raw
        public = self._public(url)
        if self.method == "GET" and raw is None:
            url, public = (_with_query(each, pairs) for each in (url, public))
            headers, body = self.signer.headers(public, []), b""
        else:
            headers = {"Content-Type": FORM} | self.signer.headers(public, pairs)
        parcel = self._send(url, body, headers, lane, token or self.token(), at_once=at_once)
        if person:
            self._persons[parcel] = (person, pairs)
        if announces:
            self._announced.setdefault(announces, (url, pairs, parcel))
        return parcel

    def post_json(self, url: str, body: bytes, *, sent: bytes | None = None) -> Webhook:
        """A JSON webhook; ``sent`` is another body than the one that was signed."""
        url = with_body_hash(url, body)
        headers = {"Content-Type": "application/json"} | self.signer.headers(self._public(url), [])
        return self._send(url, body if sent is None else sent, headers, "", self.token())

    def again(self, message: str, *, new_token: bool = False, at_once: bool = False) -> None:
        """What announced this message, once more: as a retry, or as if it were a new request."""
        url, pairs, first = self._announced[message]
        token = self.token() if new_token else first.headers["I-Twilio-Idempotency-Token"]
        self.post(url, pairs, lane=first.lane, at_once=at_once, token=token)

    def token(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _public(self, url: str) -> str:
        if self.public_url is not None and url.startswith(self.public_url[1]):
            return self.public_url[0] + url[len(self.public_url[1]) :]
        return url

    def _send(
        self, url: str, body: bytes, headers: dict[str, str], lane: str, token: str, *, at_once: bool = False
    ) -> Webhook:
        policy = Policy.of(url)
        common = {"User-Agent": "TwilioProxy/1.1", "Accept": "*/*", "I-Twilio-Idempotency-Token": token}
        method = "POST" if body else self.method
        patience = min(LONGEST, policy.total, policy.read_timeout)
        parcel = Webhook(url.partition("#")[0], body, self.alter(common | headers), lane, method, patience)
        self._policies[parcel] = policy
        return self.webhook_sender.send(parcel, at_once=at_once)

    def _wait_after(self, parcel: Webhook) -> float | None:
        policy, outcome, tries = self._policies[parcel], parcel.outcomes[-1], len(parcel.outcomes)
        wait = FIRST_WAIT * 2.0 ** (tries - 1)
        if tries > policy.retries or not policy.covers(outcome) or parcel.waited + wait > policy.total:
            return None
        return None if isinstance(outcome, int) and outcome < 400 else wait

    def _ended(self, parcel: Webhook) -> None:
        person, pairs = self._persons.get(parcel, ("", ()))
        if parcel.state == "accepted":
            if person:
                self._listen(person, *parcel.answer)
            return
        code = 11200 if isinstance(parcel.outcomes[-1], int) else 11205
        self.debugger.append(code)
        if person and self.fallback_url and parcel.url != self.fallback_url.partition("#")[0]:
            more = [("ErrorCode", str(code)), ("ErrorUrl", parcel.url)]
            self.post(self.fallback_url, [*pairs, *more], lane=parcel.lane, person=person)

    def _listen(self, person: str, type_: str, text: str) -> None:
        """What comes back from a webhook may speak: TwiML, and plain text as it stands."""
        type_ = type_.partition(";")[0].strip().lower()
        if not text.strip():
            return
        if type_ == "text/plain":
            return self._reply(person, text)
        if type_ not in ("text/xml", "application/xml", "text/html"):
            return self.debugger.append(12300)
        try:
            root = ElementTree.fromstring(text)
        except ElementTree.ParseError:
            return self.debugger.append(12100)
        for message in root.iter("Message"):
            self._reply(person, "".join(message.itertext()).strip())


def _with_query(url: str, pairs: Pairs) -> str:
    parts = urlsplit(url)
    query = "&".join(filter(None, (parts.query, urlencode(pairs))))
    return urlunsplit(parts._replace(query=query))
