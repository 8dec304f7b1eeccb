"""The web chat. It has no vendor: sending means adding to the transcript and signalling the sockets."""

from __future__ import annotations

from connectors import conversation_signals
from connectors.channel_services import ChannelServices
from schemas.errors import NotFound, SendRefused
from schemas.messages import OutboundMessage, TranscriptMessage
from schemas.ports import (
    Account,
    Capabilities,
    ChannelEvent,
    Connection,
    DeliveryPolicy,
    RawRequest,
    RenderContext,
    Signals,
    Transcript,
    VendorCall,
    VendorResponse,
)


class WebChannel:
    """HTTP routes and sockets are in the gateway; there are no webhooks."""

    name = "web"
    capabilities = Capabilities(
        max_text=100_000,
        live_text=True,
        typing=True,
        edits=True,
        has_vendor=False,
    )
    policy = DeliveryPolicy(reconciliation="repeat")

    def __init__(self, tools: ChannelServices) -> None:
        self._transcript = tools.transcript
        self._signals = tools.signals

    def verify(self, request: RawRequest, account: Account) -> None:
        raise NotFound("the web channel takes no webhooks")

    def parse(self, request: RawRequest, account: Account) -> list[ChannelEvent]:
        raise NotFound("the web channel takes no webhooks")

    def render(self, message: OutboundMessage, sending: RenderContext) -> list[VendorCall]:
        if not (message.text.strip() or message.attachments or message.choices):
            raise SendRefused("the message is empty")
        line = TranscriptMessage.of_outbound(message, "sent")
        return [VendorCall("show", {"conversation": sending.conversation, "line": line})]

    def render_edit(self, call: VendorCall, shown: str) -> VendorCall | None:
        return VendorCall("change", {}, repeats=True)

    def render_deletion(self, call: VendorCall, shown: str) -> VendorCall:
        return VendorCall("change", {}, repeats=True)

    def parse_response(self, call: VendorCall, reply: VendorResponse) -> str:
        return ""

    def connect(self, account: Account) -> Connection:
        return TranscriptConnection(self._transcript, self._signals)


class TranscriptConnection:
    """Shows messages through the transcript, which is what the contact sees."""

    def __init__(self, transcript: Transcript, signals: Signals) -> None:
        self._transcript = transcript
        self._signals = signals

    async def perform(self, call: VendorCall, marker: str) -> VendorResponse:
        """Show the message; a second call with the same line shows nothing new."""
        if call.operation == "change":
            return VendorResponse(200, None)
        conversation, line = call.arguments["conversation"], call.arguments["line"]
        await self._transcript.add(conversation, line)
        await conversation_signals.publish_message(self._signals, conversation)
        return VendorResponse(200, None)

    async def close(self) -> None:
        return None


def open_channel(tools: ChannelServices) -> WebChannel:
    return WebChannel(tools)
