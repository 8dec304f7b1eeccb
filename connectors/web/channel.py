"""The web chat. It has no vendor: sending is adding to the transcript and telling whoever holds the sockets."""

from __future__ import annotations

from connectors import live
from schemas.errors import NotFound, SendRefused
from schemas.messages import OutboundMessage, TranscriptMessage
from schemas.ports import Account, Capabilities, Clock, Event, RawRequest, Signals, Transcript


class WebChannel:
    """Its HTTP and sockets are in the gateway; webhooks do not exist."""

    name = "web"
    capabilities = Capabilities(
        max_text=100_000,
        max_choices=20,
        markdown=True,
        streaming=True,
        typing=True,
        attachments=True,
        receipts=True,
        idempotent_send=True,
    )

    def __init__(self, *, transcript: Transcript, signals: Signals, clock: Clock) -> None:
        self._transcript = transcript
        self._signals = signals
        self._clock = clock

    def verify(self, request: RawRequest, account: Account) -> None:
        raise NotFound("the web channel takes no webhooks")

    def parse(self, request: RawRequest, account: Account) -> list[Event]:
        raise NotFound("the web channel takes no webhooks")

    async def send(self, conversation: str, message: OutboundMessage, account: Account) -> str:
        """Show it; a second call with the same message shows nothing new. Raises SendRefused (nothing to show)."""
        if not (message.text.strip() or message.attachments or message.choices):
            raise SendRefused("the message is empty")
        line = TranscriptMessage.of_outbound(message, "sent")
        await self._transcript.add(conversation, line)
        await live.message(self._signals, conversation)
        return ""

    async def lookup(self, conversation: str, message: OutboundMessage, account: Account) -> str | None:
        """The transcript is what the contact sees, so this answer is certain."""
        return None if await self._transcript.find(conversation, message.id) is None else ""
