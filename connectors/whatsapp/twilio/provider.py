"""WhatsApp by way of Twilio."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import structlog

from connectors.tools import Tools
from connectors.whatsapp.twilio import errors, inbound, outbound, signature
from schemas.messages import OutboundMessage
from schemas.ports import Account, Acquaintance, Call, Connection, Event, Pace, Policy, RawRequest, Reply, Sending

log = structlog.get_logger("parley.whatsapp")

MARKER = re.compile(r"[0-9a-f-]{36}(\.\d{1,4})?")


class Twilio:
    """A provider of the WhatsApp channel: see ``connectors.whatsapp.channel``."""

    policy = Policy(
        # Also by status: each carries the marker in its address. But Twilio soon gives up telling, and forgets nothing.
        doubt="lookup",
        window=timedelta(hours=24),
        # WhatsApp's own rule for a pair, whoever carries the message: 1 in 6 seconds, 45 in advance.
        contact_pace=Pace(1 / 6.2, 44),
        # A message is in Twilio's list before its request is answered, and the list is read from another place.
        settles=10.0,
        settles_slowly=60.0,
        shows_contact=True,
    )

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def verify(self, request: RawRequest, account: Account) -> None:
        signature.verify(request, account.settings)

    def answer(self, request: RawRequest, account: Account) -> None:
        """Twilio never asks; what is answered to a message is shown to the contact, so nothing is."""

    def parse(self, request: RawRequest, account: Account) -> list[Event]:
        if signature.is_json(request):
            log.info("update_left_out", tenant=account.tenant, account=account.name, reason="event_stream")
            return []
        told = request.query.get("marker", "")
        marker = told if MARKER.fullmatch(told) else ""
        return inbound.events(signature.parameters(request), account, marker, self._tools.clock())

    def render(self, message: OutboundMessage, sending: Sending) -> list[Call]:
        return outbound.calls(message, sending)

    def judge(self, call: Call, reply: Reply) -> str:
        return errors.shown(reply)

    def connect(self, account: Account) -> Connection:
        # Here and not above: Twilio's library is large, and only who sends needs it.
        from connectors.whatsapp.twilio.connection import TwilioConnection

        return TwilioConnection(account, self._tools)

    def backfills(self, account: Account) -> bool:
        return True

    def backfill(self, account: Account, since: datetime, known: Acquaintance) -> AsyncIterator[list[Event]]:
        from connectors.whatsapp.twilio.backfill import messages

        return messages(account, since, known, self._tools)
