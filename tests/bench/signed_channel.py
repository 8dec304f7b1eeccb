"""A channel as plain as any vendor's webhook: one signed JSON body, one message. The bare baseline reads the same."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from schemas import topics
from schemas.errors import InvalidRequest, Unauthorized
from schemas.messages import Address, OutboundMessage
from schemas.ports import (
    Account,
    Capabilities,
    ChannelEvent,
    Connection,
    DeliveryPolicy,
    RawRequest,
    RenderContext,
    VendorCall,
    VendorResponse,
)
from tests.bench.load import post

NAME = "signed"
SECRET = b"the-vendor-signs-its-requests-with-this"
HEADER = "x-signature"
PATH = f"/v1/webhooks/{NAME}/plantstore/main"
WORDS = "Do you ship carnivorous plants in winter, and what does a heat pack cost? " * 8


class Contact(BaseModel):
    wa_id: Annotated[str, Field(max_length=64)]
    name: str


class Body(BaseModel):
    """What stands in a request."""

    id: Annotated[str, Field(min_length=1, max_length=128)]
    sender: Contact
    timestamp: int
    text: Annotated[str, Field(max_length=4096)]
    context: dict[str, str] = {}


def signature(body: bytes) -> str:
    return hmac.digest(SECRET, body, "sha256").hex()


def requests(count: int, contacts: int, tag: str) -> Iterator[bytes]:
    """Signed requests of about 1 KiB, each another message; ``tag`` keeps runs apart."""
    for number in range(count):
        sender = {"wa_id": f"4917000{number % contacts:06}", "name": "Ann Bloom"}
        context = {"phone_number_id": "106540352242922", "display_phone_number": "15550783881", "product": "whatsapp"}
        fields = {"id": f"wamid.{tag}.{number}", "sender": sender, "timestamp": 1_790_000_000, "text": WORDS}
        body = json.dumps({**fields, "context": context}).encode()
        yield post(PATH, body, {HEADER: signature(body)})


class SignedChannel:
    """See ``schemas.ports.Channel``."""

    name = NAME
    capabilities = Capabilities(max_text=4096)
    policy = DeliveryPolicy()

    def verify(self, request: RawRequest, account: Account) -> None:
        if not hmac.compare_digest(request.headers.get(HEADER, ""), signature(request.body)):
            raise Unauthorized("the signature is wrong")

    def parse(self, request: RawRequest, account: Account) -> list[ChannelEvent]:
        try:
            body = Body.model_validate_json(request.body)
        except ValidationError:
            raise InvalidRequest("not a message") from None
        sender = body.sender.wa_id
        return [
            ChannelEvent(
                type=topics.MESSAGE_RECEIVED,
                place=sender,
                external_id=body.id,
                payload={"text": body.text},
                addresses=[Address(channel=NAME, value=sender, assurance="channel")],
            )
        ]

    def render(self, message: OutboundMessage, sending: RenderContext) -> list[VendorCall]:
        raise NotImplementedError("only the way in is measured")

    def parse_response(self, call: VendorCall, reply: VendorResponse) -> str:
        raise NotImplementedError("only the way in is measured")

    def connect(self, account: Account) -> Connection:
        raise NotImplementedError("only the way in is measured")
