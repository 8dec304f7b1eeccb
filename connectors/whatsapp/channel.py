"""WhatsApp, whoever carries it: each account says who, and everything is passed on to that provider.

A provider is a class with the methods of a channel. It is imported when the first account needs it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

from connectors.tools import Tools
from schemas.messages import OutboundMessage
from schemas.ports import (
    Account,
    Acquaintance,
    Backfilling,
    Call,
    Capabilities,
    Connection,
    Event,
    Pace,
    Policy,
    RawRequest,
    Reply,
    Sending,
)

PROVIDERS = {"meta": "connectors.whatsapp.meta:Meta", "twilio": "connectors.whatsapp.twilio:Twilio"}


class WhatsAppChannel:
    """``judge`` knows no account, so a call's operation begins with its provider: ``meta.messages``."""

    name = "whatsapp"
    capabilities = Capabilities(max_text=4096, max_choices=10, typing=True, attachments=True, receipts=True)
    policy = Policy(
        doubt="receipt",
        window=timedelta(hours=24),
        # A pair may exchange a message in 6 seconds, with 45 in advance; we stay a little below.
        contact_pace=Pace(1 / 6.2, 44),
        # Meta reports "sent" within seconds of taking a message; after a crash of ours it has to repeat the webhook.
        settles=12.0,
        settles_slowly=45.0,
        # There is nothing to look up, so an answer is waited for longer.
        attempt=15.0,
        deadline=17.0,
        shows_contact=True,
    )

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._providers: dict[str, Any] = {}

    def policy_of(self, account: Account) -> Policy:
        policy: Policy = getattr(self._of(account), "policy", self.policy)
        return policy

    def verify(self, request: RawRequest, account: Account) -> None:
        self._of(account).verify(request, account)

    def parse(self, request: RawRequest, account: Account) -> list[Event]:
        found: list[Event] = self._of(account).parse(request, account)
        return found

    def answer(self, request: RawRequest, account: Account) -> str | None:
        answer: str | None = self._of(account).answer(request, account)
        return answer

    def render(self, message: OutboundMessage, sending: Sending) -> list[Call]:
        calls: list[Call] = self._of(sending.account).render(message, sending)
        return calls

    def judge(self, call: Call, reply: Reply) -> str:
        external_id: str = self._provider(call.operation.partition(".")[0]).judge(call, reply)
        return external_id

    def connect(self, account: Account) -> Connection:
        connection: Connection = self._of(account).connect(account)
        return connection

    def backfills(self, account: Account) -> bool:
        """Meta keeps nothing that could be asked for, and repeats what was not taken for days."""
        return isinstance(self._of(account), Backfilling)

    def backfill(self, account: Account, since: datetime, known: Acquaintance) -> AsyncIterator[list[Event]]:
        found: AsyncIterator[list[Event]] = self._of(account).backfill(account, since, known)
        return found

    def _of(self, account: Account) -> Any:
        return self._provider(account.settings.provider)

    def _provider(self, name: str) -> Any:
        known = self._providers.get(name)
        if known is None:
            module, _, kind = PROVIDERS[name].partition(":")
            known = self._providers[name] = getattr(import_module(module), kind)(self._tools)
        return known


def open_channel(tools: Tools) -> WhatsAppChannel:
    return WhatsAppChannel(tools)
