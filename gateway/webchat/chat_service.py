"""What a visitor can do in their conversation, whichever way they came: HTTP and sockets both call this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors.inbound.pipeline import AcceptedEvent, InboundPipeline
from connectors.inbound.reply_references import derive_event_id
from gateway.http.rate_limits import Allowance
from gateway.http.responses import REFUSALS
from gateway.webchat.attachments import AttachmentDesk
from gateway.webchat.serialize import chat_messages, visible
from gateway.webchat.sessions import Visit
from gateway.wiring.parts import Parts
from schemas import ids, topics
from schemas.envelope import envelope
from schemas.errors import InvalidRequest, ParleyError, Unavailable
from schemas.facts import Feedback
from schemas.messages import MAX_TEXT, Address, Attachment, Author, ChoiceSelection, Printable, TranscriptMessage
from schemas.ports import Event
from schemas.privacy.cards import mask_cards

PAGE = 200
MAX_ATTACHMENTS = 10
PERSON = "person"
"""Id of the choice that asks for a person; the worker knows it by the same name."""

ClientId = Annotated[Printable, Field(min_length=1, max_length=64)]


class Posted(BaseModel):
    """A message as a client sends it; unknown fields are ignored. Text may be left out beside a file or a choice."""

    model_config = ConfigDict(extra="ignore", strict=True)

    client_msg_id: ClientId
    text: Annotated[Printable, Field(max_length=MAX_TEXT)] = ""
    attachments: Annotated[list[Annotated[Printable, Field(max_length=200)]], Field(max_length=MAX_ATTACHMENTS)] = []
    choice: ChoiceSelection | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Posted:
        if not self.text.strip() and not self.attachments and self.choice is None:
            raise ValueError("text: must not be empty")
        return self


class Exchange:
    """Built once for the app."""

    def __init__(
        self, parts: Parts, inbound: InboundPipeline, attachments: AttachmentDesk, allowance: Allowance
    ) -> None:
        self._parts = parts
        self._inbound = inbound
        self._attachments = attachments
        self._transcript = parts.state.transcript
        self._allowance = allowance
        self._quota = parts.quota

    async def post(self, visit: Visit, posted: Posted) -> AcceptedEvent:
        """Accept one message; a repeat gets the first one's answer. Raises InvalidRequest, IdReused, RateLimited,
        Unavailable."""
        text = posted.text
        files = await self._files(visit, posted)
        payload: dict[str, Any] = {"attachments": files, "locale": visit.locale}
        if posted.choice is not None:
            label = await self._label(visit, posted.choice)
            text = text if text.strip() else label
            payload |= {"choice": posted.choice, "in_reply_to": posted.choice.in_reply_to}
        if not text.strip() and not files:
            raise InvalidRequest("text: must not be empty")
        payload["text"] = text
        if visit.name:
            payload["author"] = Author(kind="contact", name=visit.name)
        return await self._accept(visit, topics.MESSAGE_RECEIVED, posted.client_msg_id, payload)

    async def _files(self, visit: Visit, posted: Posted) -> list[Attachment]:
        """Those of a message that is in the transcript already are what they were then."""
        if not posted.attachments:
            return []
        own_id = derive_event_id(visit.account, visit.place, posted.client_msg_id, topics.MESSAGE_RECEIVED)
        line = await self._transcript.find(visit.conversation, own_id)
        if line is not None and [file.id for file in line.attachments] == posted.attachments:
            return line.attachments
        return await self._attachments.uploaded(
            visit.tenant, visit.conversation, posted.attachments, uploader=visit.contact_id
        )

    async def read_up_to(self, visit: Visit, seq: int) -> None:
        """The visitor has seen everything up to this number."""
        seq = min(seq, await self._transcript.head(visit.conversation))
        if seq > 0:
            payload = {"state": "read", "at": self._parts.clock(), "up_to_seq": seq}
            await self._allowance.admit_receipt(visit)
            await self._accept(visit, topics.RECEIPT_RECORDED, f"read:{seq}", payload, counted=False)

    async def feedback(self, visit: Visit, message_id: str, value: Literal["up", "down"], comment: str) -> None:
        """A thumb on one reply. Raises InvalidRequest when it is none of this conversation's."""
        self._open()
        line = await self._transcript.find(visit.conversation, message_id)
        if line is None or line.author.kind == "contact" or not visible([line]):
            raise InvalidRequest("message_id: there is no such reply")
        await self._allowance.admit_visit(visit)
        now = self._parts.clock()
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
        await self._parts.bus.append([event])

    async def lines(self, visit: Visit, after: int) -> tuple[list[TranscriptMessage], int]:
        """Up to 200 visible lines after ``after``, ascending, and the number up to which that is all."""
        lines = await self._transcript.read(visit.conversation, after=after, limit=PAGE)
        return visible(lines), lines[-1].seq if lines else after

    async def line(self, visit: Visit, message_id: str) -> TranscriptMessage | None:
        """One that the contact may see, as it is now."""
        line = await self._transcript.find(visit.conversation, message_id)
        return line if line is not None and (line.state == "deleted" or visible([line])) else None

    async def head(self, visit: Visit) -> int:
        return await self._transcript.head(visit.conversation)

    async def shown(self, visit: Visit, lines: Sequence[TranscriptMessage]) -> list[dict[str, Any]]:
        return await chat_messages(lines, visit.tenant, self._attachments)

    async def _accept(
        self, visit: Visit, kind: str, external_id: str, payload: dict[str, Any], *, counted: bool = True
    ) -> AcceptedEvent:
        self._open()
        event = Event(
            type=kind,
            place=visit.place,
            external_id=external_id,
            payload=payload,
            addresses=[Address(channel="web", value=visit.place, assurance=visit.assurance)],
        )
        admit = partial(self._admit_message, visit, payload) if counted else None
        return (await self._inbound.accept(visit.account, [event], admit=admit))[0]

    async def _admit_message(self, visit: Visit, payload: Mapping[str, Any]) -> None:
        """Right before the append. Raises RateLimited, InvalidRequest (a file that is gone)."""
        await self._allowance.admit_visit(visit)
        await self._quota.take_text(visit.tenant, visit.contact_id, len(payload["text"].encode()))
        await self._attachments.claim(visit.tenant, payload["attachments"])

    async def _label(self, visit: Visit, choice: ChoiceSelection) -> str:
        if choice.id == PERSON and not choice.in_reply_to:
            return ""  # a standing offer: whoever wants a person may say so at any time, in any language
        line = await self._transcript.find(visit.conversation, choice.in_reply_to)
        for offered in [] if line is None else line.choices:
            if offered.id == choice.id:
                return offered.label
        raise InvalidRequest("choice: it was not offered in this conversation")

    def refused(self, error: ParleyError) -> None:
        """Count what a socket is refused; requests are counted by their status."""
        if error.status in REFUSALS:
            self._parts.metrics.count("parley_refused_total", status=str(error.status))

    def _open(self) -> None:
        if self._parts.is_state_lost():
            raise Unavailable("state is being rebuilt", retry_after_ms=2000)
