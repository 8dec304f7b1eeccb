"""The Cloud API as a provider of WhatsApp: everything that needs no socket."""

from __future__ import annotations

from connectors.channel_services import ChannelServices
from connectors.meta_graph import webhooks
from connectors.meta_graph.errors import build_delivery_error, require_external_id
from connectors.meta_graph.models import parse_items
from connectors.whatsapp.meta import rendering
from connectors.whatsapp.meta.updates import OBJECT, Change, UpdateParser
from schemas.messages import OutboundMessage
from schemas.ports import Account, ChannelEvent, Connection, RawRequest, RenderContext, VendorCall, VendorResponse


class MetaProvider:
    def __init__(self, tools: ChannelServices) -> None:
        self._tools = tools

    def verify(self, request: RawRequest, account: Account) -> None:
        webhooks.verify(request, account)

    def answer_handshake(self, request: RawRequest, account: Account) -> str | None:
        return webhooks.answer_challenge(request, account)

    def parse(self, request: RawRequest, account: Account) -> list[ChannelEvent]:
        updates = UpdateParser(account, self._tools.clock())
        return [
            event
            for entry in webhooks.iterate_entries(request, account, OBJECT)
            for change in parse_items(Change, entry.changes, account)
            for event in updates.parse_change(change)
        ]

    def render(self, message: OutboundMessage, sending: RenderContext) -> list[VendorCall]:
        return rendering.build_calls(message, sending)

    def parse_response(self, call: VendorCall, reply: VendorResponse) -> str:
        if reply.status != 200:
            raise build_delivery_error(reply)
        try:
            return require_external_id(reply.body["messages"][0]["id"])
        except (KeyError, IndexError, TypeError):
            return require_external_id(None)

    def connect(self, account: Account) -> Connection:
        from connectors.whatsapp.meta.connection import CloudConnection

        return CloudConnection(account, self._tools)
