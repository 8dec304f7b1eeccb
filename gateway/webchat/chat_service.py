"""The operations of a visitor in their conversation, shared by the HTTP API and the sockets."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors.inbound.pipeline import AcceptedEvent, InboundPipeline
from connectors.inbound.reply_references import derive_event_id
from gateway.http.rate_limits import RateLimits
from gateway.http.responses import REFUSAL_STATUSES
from gateway.storage.attachments import AttachmentService
from gateway.webchat.serialization import filter_visible, serialize_messages
from gateway.webchat.sessions import Visit
from gateway.wiring.process_services import ProcessServices
from schemas import ids, topics
from schemas.conversation_activity import Feedback
from schemas.envelope import envelope
from schemas.errors import InvalidRequest, ParleyError, Unavailable
from schemas.messages import MAX_TEXT, Address, Attachment, Author, ChoiceSelection, Printable, TranscriptMessage
from schemas.ports import ChannelEvent
from schemas.privacy.cards import mask_cards
from schemas.validation.texts import is_blank

PAGE_SIZE = 200
MAX_ATTACHMENTS = 10
PERSON_CHOICE = "person"
"""The id of the choice that asks for a person; the worker uses the same."""

ClientId = Annotated[Printable, Field(min_length=1, max_length=64)]


class VisitorMessage(BaseModel):
    """A message from a client. Unknown fields are ignored; text is optional beside a file or a choice."""

    model_config = ConfigDict(extra="ignore", strict=True)

    client_msg_id: ClientId
    text: Annotated[Printable, Field(max_length=MAX_TEXT)] = ""
    attachments: Annotated[list[Annotated[Printable, Field(max_length=200)]], Field(max_length=MAX_ATTACHMENTS)] = []
    choice: ChoiceSelection | None = None

    @model_validator(mode="after")
    def _check_not_empty(self) -> VisitorMessage:
        if is_blank(self.text) and not self.attachments and self.choice is None:
            raise ValueError("text: must not be empty")
        return self


class ChatService:
    """Accepts what visitors send and reads what they may see."""

    def __init__(
        self,
        services: ProcessServices,
        inbound: InboundPipeline,
        attachments: AttachmentService,
        rate_limits: RateLimits,
    ) -> None:
        self._services = services
        self._inbound = inbound
        self._attachments = attachments
        self._transcript = services.state.transcript
        self._rate_limits = rate_limits
        self._quota = services.quota

    async def post(self, visit: Visit, message: VisitorMessage) -> AcceptedEvent:
        """Accept a message; a repeat gets the result of the first one. Raises InvalidRequest, IdReused, RateLimited,
        Unavailable."""
        text = message.text
        files = await self._find_attachments(visit, message)
        payload: dict[str, Any] = {"attachments": files, "locale": visit.locale}
        if message.choice is not None:
            label = await self._find_choice_label(visit, message.choice)
            text = label if is_blank(text) else text
            payload |= {"choice": message.choice, "in_reply_to": message.choice.in_reply_to}
        if is_blank(text) and not files:
            # The choice of a person that no message offered has no label.
            raise InvalidRequest("text: must not be empty, unless a message offered the choice")
        payload["text"] = text
        if visit.name:
            payload["author"] = Author(kind="contact", name=visit.name)
        return await self._accept(visit, topics.MESSAGE_RECEIVED, message.client_msg_id, payload)

    async def _find_attachments(self, visit: Visit, message: VisitorMessage) -> list[Attachment]:
        """Return the message's files: those in the transcript, if the message is there already."""
        if not message.attachments:
            return []
        own_id = derive_event_id(visit.account, visit.place, message.client_msg_id, topics.MESSAGE_RECEIVED)
        line = await self._transcript.find(visit.conversation, own_id)
        if line is not None and [file.id for file in line.attachments] == message.attachments:
            return [file.model_copy(update={"speech": None}) for file in line.attachments]
        return await self._attachments.find_uploads(
            visit.tenant, visit.conversation, message.attachments, uploader=visit.contact_id
        )

    async def record_read(self, visit: Visit, seq: int) -> None:
        """Record that the visitor has read everything up to ``seq``."""
        seq = min(seq, await self._transcript.head(visit.conversation))
        if seq > 0:
            payload = {"state": "read", "at": self._services.clock(), "up_to_seq": seq}
            await self._rate_limits.admit_receipt(visit)
            await self._accept(visit, topics.RECEIPT_RECORDED, f"read:{seq}", payload, counted=False)

    async def record_feedback(self, visit: Visit, message_id: str, value: Literal["up", "down"], comment: str) -> None:
        """Record the rating of a reply. Raises InvalidRequest if the reply is not in this conversation."""
        self._check_state_available()
        line = await self._transcript.find(visit.conversation, message_id)
        if line is None or line.author.kind == "contact" or not filter_visible([line]):
            raise InvalidRequest("message_id: there is no such reply")
        await self._rate_limits.admit_visit(visit)
        await self._reserve_text(visit, comment)
        now = self._services.clock()
        event = envelope(
            topics.FEEDBACK_GIVEN,
            Feedback(
                message_id=message_id, contact_id=visit.contact_id, value=value, comment=mask_cards(comment), at=now
            ),
            id=ids.derived_id(message_id, f"feedback:{value}", int(now.timestamp() * 1000)),
            time=now,
            source=f"/connectors/web/{visit.tenant}/{visit.account.name}",
            tenant=visit.tenant,
            channel="web",
            account=visit.account.name,
            conversation=visit.conversation,
            causation_id=message_id,
        )
        await self._services.bus.append([event])

    async def read_lines(self, visit: Visit, after: int) -> tuple[list[TranscriptMessage], int]:
        """Return up to 200 visible lines after ``after`` in ascending order, and the number up to which they are
        complete."""
        lines = await self._transcript.read(visit.conversation, after=after, limit=PAGE_SIZE)
        return filter_visible(lines), lines[-1].seq if lines else after

    async def find_line(self, visit: Visit, message_id: str) -> TranscriptMessage | None:
        """Return the current state of a line, if the contact may see it."""
        line = await self._transcript.find(visit.conversation, message_id)
        return line if line is not None and (line.state == "deleted" or filter_visible([line])) else None

    async def read_head(self, visit: Visit) -> int:
        return await self._transcript.head(visit.conversation)

    async def serialize(self, visit: Visit, lines: Sequence[TranscriptMessage]) -> list[dict[str, Any]]:
        return await serialize_messages(lines, visit.tenant, self._attachments)

    async def _accept(
        self, visit: Visit, kind: str, external_id: str, payload: dict[str, Any], *, counted: bool = True
    ) -> AcceptedEvent:
        self._check_state_available()
        event = ChannelEvent(
            type=kind,
            place=visit.place,
            external_id=external_id,
            payload=payload,
            addresses=[Address(channel="web", value=visit.place, assurance=visit.assurance)],
            party=self._rate_limits.find_party(visit),
        )
        admit = partial(self._admit_message, visit, event) if counted else None
        return (await self._inbound.accept(visit.account, [event], admit=admit))[0]

    async def _admit_message(self, visit: Visit, event: ChannelEvent) -> None:
        """Check the limits right before the append. Raises RateLimited, InvalidRequest (a file was deleted)."""
        payload, message = event.payload, derive_event_id(visit.account, event.place, event.external_id, event.type)
        await self._rate_limits.admit_visit(visit)
        async with self._rate_limits.admit_waiting(visit, message):
            await self._reserve_text(visit, payload["text"])
            await self._attachments.claim(visit.tenant, payload["attachments"])

    async def _find_choice_label(self, visit: Visit, choice: ChoiceSelection) -> str:
        if choice.id == PERSON_CHOICE and not choice.in_reply_to:
            return ""  # the widget offers this choice at any time
        line = await self._transcript.find(visit.conversation, choice.in_reply_to)
        for offer in [] if line is None else line.choices:
            if offer.id == choice.id:
                return offer.label
        raise InvalidRequest("choice: it was not offered in this conversation")

    def count_refusal(self, error: ParleyError) -> None:
        """Count a refusal on a socket. HTTP refusals are counted by their status."""
        if error.status in REFUSAL_STATUSES:
            self._services.metrics.count("parley_refused_total", status=str(error.status))

    async def _reserve_text(self, visit: Visit, text: str) -> None:
        await self._quota.reserve_text(visit.tenant, visit.contact_id, len(text.encode()), visit.counted_address)

    def _check_state_available(self) -> None:
        if self._services.is_state_lost():
            raise Unavailable("state is being rebuilt", retry_after_ms=2000)
