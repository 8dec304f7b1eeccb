"""Frames of the chat socket (contract §2): what may come in, and the closes that may go out."""

from __future__ import annotations

import json
from enum import IntEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from gateway.http.responses import explain
from gateway.webchat.service import ClientId, Posted
from schemas.errors import InvalidRequest, ParleyError
from schemas.messages import ChoiceSelection, Printable


class Close(IntEnum):
    """Close codes."""

    TOKEN = 4401
    ORIGIN = 4403
    NO_HELLO = 4408
    FLOOD = 1008
    RESTART = 1012


class Frame(BaseModel):
    """Unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", strict=True)


Seq = Annotated[int, Field(ge=0, le=2**53)]
MessageId = Annotated[Printable, Field(min_length=1, max_length=200)]


class Hello(Frame):
    type: Literal["hello"]
    token: Annotated[str, Field(max_length=8_000)]
    last_seq: Seq | None = None


class MessageFrame(Posted):
    type: Literal["message"]


class ChoiceFrame(Frame):
    type: Literal["choice"]
    client_msg_id: ClientId
    in_reply_to: MessageId
    id: MessageId

    def posted(self) -> Posted:
        """The same as a message with this choice and no words."""
        return Posted(
            client_msg_id=self.client_msg_id, choice=ChoiceSelection(in_reply_to=self.in_reply_to, id=self.id)
        )


class TypingFrame(Frame):
    type: Literal["typing"]


class ReadFrame(Frame):
    type: Literal["read"]
    seq: Seq


class FeedbackFrame(Frame):
    type: Literal["feedback"]
    message_id: MessageId
    value: Literal["up", "down"]
    comment: Annotated[Printable, Field(max_length=2_000)] | None = None


Incoming = MessageFrame | ChoiceFrame | TypingFrame | ReadFrame | FeedbackFrame
_INCOMING: TypeAdapter[Incoming] = TypeAdapter(Annotated[Incoming, Field(discriminator="type")])


def hello(data: str) -> Hello:
    """Raises InvalidRequest."""
    try:
        return Hello.model_validate_json(data)
    except ValidationError as error:
        raise InvalidRequest(explain(error)) from None


def incoming(data: str) -> Incoming:
    """Any frame after hello. Raises InvalidRequest that names the field."""
    try:
        return _INCOMING.validate_json(data)
    except ValidationError as error:
        raise InvalidRequest(explain(error)) from None


def client_id_of(data: str) -> str | None:
    """The ``client_msg_id`` of a frame that could not be read otherwise, so that its sender knows which one it was."""
    try:
        value: Any = json.loads(data)
    except (ValueError, RecursionError):
        return None
    found = value.get("client_msg_id") if isinstance(value, dict) else None
    return found if isinstance(found, str) and 0 < len(found) <= 64 and found.isprintable() else None


def error_frame(error: ParleyError, client_msg_id: str | None) -> dict[str, Any]:
    frame: dict[str, Any] = {"type": "error", "error": error.body()}
    if client_msg_id is not None:
        frame["client_msg_id"] = client_msg_id
    return frame
