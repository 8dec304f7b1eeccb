"""The Cloud API as a provider of WhatsApp: everything that needs no socket, and the way to the part that does."""

from __future__ import annotations

from connectors.graph import webhooks
from connectors.graph.errors import failure, named
from connectors.graph.models import read_all
from connectors.tools import Tools
from connectors.whatsapp.meta import rendering
from connectors.whatsapp.meta.updates import OBJECT, Change, Updates
from schemas.messages import OutboundMessage
from schemas.ports import Account, Call, Connection, Event, RawRequest, Reply, Sending


class Meta:
    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def verify(self, request: RawRequest, account: Account) -> None:
        webhooks.verify(request, account)

    def answer(self, request: RawRequest, account: Account) -> str | None:
        return webhooks.answer(request, account)

    def parse(self, request: RawRequest, account: Account) -> list[Event]:
        updates = Updates(account, self._tools.clock())
        return [
            event
            for entry in webhooks.entries(request, account, OBJECT)
            for change in read_all(Change, entry.changes, account)
            for event in updates.of(change)
        ]

    def render(self, message: OutboundMessage, sending: Sending) -> list[Call]:
        return rendering.calls(message, sending)

    def judge(self, call: Call, reply: Reply) -> str:
        if reply.status != 200:
            raise failure(reply)
        try:
            return named(reply.body["messages"][0]["id"])
        except (KeyError, IndexError, TypeError):
            return named(None)

    def connect(self, account: Account) -> Connection:
        from connectors.whatsapp.meta.connection import CloudConnection

        return CloudConnection(account, self._tools)
