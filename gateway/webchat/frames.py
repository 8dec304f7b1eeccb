"""Frames of the chat socket and the codes with which it is closed."""

from __future__ import annotations

import json
from enum import IntEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from gateway.http.responses import INVALID_JSON, describe_validation_error
from gateway.webchat.chat_service import ClientId, VisitorMessage
from schemas.errors import InvalidRequest, ParleyError, Unauthorized
from schemas.messages import ChoiceSelection, Printable


class CloseCode(IntEnum):
    """The codes with which the server closes a socket."""

    TOKEN = 4401
    ORIGIN = 4403
    NO_HELLO = 4408
    FLOOD = 1008
    RESTART = 1012


class Frame(BaseModel):
    """A frame from the client. Unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", strict=True)


Seq = Annotated[int, Field(ge=0, le=2**53)]
MessageId = Annotated[Printable, Field(min_length=1, max_length=200)]


class Hello(Frame):
    type: Literal["hello"]
    token: Annotated[str, Field(max_length=8_000)]
    last_seq: Seq | None = None


class MessageFrame(VisitorMessage):
    type: Literal["message"]


class ChoiceFrame(Frame):
    type: Literal["choice"]
    client_msg_id: ClientId
    in_reply_to: MessageId
    id: MessageId

    def to_message(self) -> VisitorMessage:
        """Convert the choice to a message without text."""
        return VisitorMessage(
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


InboundFrame = MessageFrame | ChoiceFrame | TypingFrame | ReadFrame | FeedbackFrame
_INBOUND_FRAME: TypeAdapter[InboundFrame] = TypeAdapter(Annotated[InboundFrame, Field(discriminator="type")])


def parse_hello(data: str) -> Hello | None:
    """Parse the first frame; None if it is no hello. Raises Unauthorized if its token is invalid, InvalidRequest if its
    number is."""
    try:
        return Hello.model_validate_json(data)
    except ValidationError as error:
        if any(each["loc"] in ((), ("type",)) for each in error.errors(include_url=False, include_input=False)):
            return None
        if any(each["loc"] == ("token",) for each in error.errors(include_url=False, include_input=False)):
            raise Unauthorized("token: must be a visitor token") from None
        raise InvalidRequest(_describe(error)) from None


def parse_frame(data: str) -> InboundFrame:
    """Parse any frame after hello. Raises InvalidRequest, which names the field."""
    try:
        return _INBOUND_FRAME.validate_json(data)
    except ValidationError as error:
        raise InvalidRequest(_describe(error, skipped=1)) from None


def _describe(error: ValidationError, *, skipped: int = 0) -> str:
    """``skipped``: the first parts of a place, such as the type of the frame."""
    described = describe_validation_error(error, skipped=skipped)
    return "the frame is not valid JSON" if described == INVALID_JSON else described


def find_client_msg_id(data: str) -> str | None:
    """Return the ``client_msg_id`` of an invalid frame, by which its sender can identify it."""
    try:
        value: Any = json.loads(data)
    except (ValueError, RecursionError):
        return None
    id_ = value.get("client_msg_id") if isinstance(value, dict) else None
    return id_ if isinstance(id_, str) and 0 < len(id_) <= 64 and id_.isprintable() else None


def build_error_frame(error: ParleyError, client_msg_id: str | None) -> dict[str, Any]:
    frame: dict[str, Any] = {"type": "error", "error": error.body()}
    if client_msg_id is not None:
        frame["client_msg_id"] = client_msg_id
    return frame
