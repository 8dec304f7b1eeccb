"""The webhook shell, proved with a channel made for it."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.wiring.process_services import ProcessServices
from schemas import topics
from schemas.errors import BusUnavailable, InvalidRequest, Unauthorized
from schemas.messages import Address, InboundMessage, OutboundMessage
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
from tests.unit.webchat.conftest import Answer, FailingBus, Shop

Serve = Callable[..., Awaitable[Shop]]
SECRET = b"toy"
PATH = "/v1/webhooks/slack/shop/toy"


class ToyChannel:
    """Signs its body; one update a message. It travels on a topic that the wire format knows."""

    name = "slack"
    capabilities = Capabilities(max_text=100)
    policy = DeliveryPolicy()

    def __init__(self) -> None:
        self.seen: list[RawRequest] = []

    def verify(self, request: RawRequest, account: Account) -> None:
        self.seen.append(request)
        expected = hmac.new(SECRET, request.body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(request.headers.get("x-signature", ""), expected):
            raise Unauthorized("the signature does not match")

    def parse(self, request: RawRequest, account: Account) -> list[ChannelEvent]:
        try:
            updates = json.loads(request.body)["updates"]
        except (ValueError, KeyError, TypeError):
            raise InvalidRequest("not an update") from None
        return [
            ChannelEvent(
                type=topics.MESSAGE_RECEIVED,
                place=update["from"],
                external_id=update["id"],
                payload={"text": update["text"]},
                addresses=[Address(channel="slack", value=update["from"], assurance="channel")],
            )
            for update in updates
        ]

    def answer_handshake(self, request: RawRequest, account: Account) -> str | None:
        return request.query.get("challenge") if request.method == "GET" else None

    def render(self, message: OutboundMessage, sending: RenderContext) -> list[VendorCall]:
        raise NotImplementedError

    def parse_response(self, call: VendorCall, reply: VendorResponse) -> str:
        raise NotImplementedError

    def connect(self, account: Account) -> Connection:
        raise NotImplementedError


@pytest.fixture
def toy() -> ToyChannel:
    return ToyChannel()


@pytest.fixture
def with_toy(toy: ToyChannel) -> Callable[[ProcessServices], ProcessServices]:
    def rebuilt(services: ProcessServices) -> ProcessServices:
        account = Account(tenant="shop", channel="slack", name="toy", settings=None)

        def accounts(tenant: str, channel: str, name: str) -> Account | None:
            asked = (tenant, channel, name)
            return account if asked == ("shop", "slack", "toy") else services.accounts(*asked)

        return replace(services, channels={**services.channels, "slack": toy}, accounts=accounts)

    return rebuilt


@pytest.fixture
async def toy_shop(serve: Serve, with_toy: Callable[[ProcessServices], ProcessServices]) -> Shop:
    shop = await serve(with_toy)
    await shop.services.bus.create_topics(topics.topic_specs(["slack"], partitions=3, small=3))
    return shop


def update(n: int, sender: str = "ada") -> dict[str, str]:
    return {"id": str(n), "from": sender, "text": f"update {n}"}


async def call(
    shop: Shop, body: bytes, *, path: str = PATH, kind: str = "application/json", sign: bool = True
) -> Answer:
    signature = hmac.new(SECRET, body, hashlib.sha256).hexdigest() if sign else "00"
    return await shop.call("POST", path, data=body, headers={"Content-Type": kind, "X-Signature": signature})


async def test_a_batch_of_updates_is_as_many_events_in_the_log_before_200(toy_shop: Shop) -> None:
    body = json.dumps({"updates": [update(1), update(2, "bob"), update(3)]}).encode()
    assert (await call(toy_shop, body)).status == 200
    events = await toy_shop.logged(topics.inbound("slack"))
    texts = [event.payload(InboundMessage).text for event in events if event.payload(InboundMessage).place == "ada"]
    assert (len(events), texts) == (3, ["update 1", "update 3"])


async def test_a_redelivery_may_be_in_the_log_twice_under_one_id(toy_shop: Shop) -> None:
    body = json.dumps({"updates": [update(1)]}).encode()
    for _ in range(2):
        assert (await call(toy_shop, body)).status == 200
    events = await toy_shop.logged(topics.inbound("slack"))
    assert (len(events), len({event.id for event in events})) == (2, 1)


async def test_the_signature_is_over_the_bytes_as_they_came(toy_shop: Shop, toy: ToyChannel) -> None:
    body = b'{ "updates" :\n[] , "\xc3\xbc": 1.0 }'
    assert (await call(toy_shop, body)).status == 200
    assert toy.seen[-1].body == body
    assert toy.seen[-1].url.endswith(PATH)
    changed = await toy_shop.call(
        "POST",
        PATH,
        data=body + b" ",
        headers={
            "Content-Type": "application/json",
            "X-Signature": hmac.new(SECRET, body, hashlib.sha256).hexdigest(),
        },
    )
    assert (changed.status, changed.code) == (401, "unauthorized")


async def test_a_wrong_signature_is_401_before_anything_is_parsed(toy_shop: Shop) -> None:
    assert (await call(toy_shop, b"not even json", sign=False)).status == 401
    assert (await call(toy_shop, b"not even json")).status == 400


async def test_wrong_signatures_are_logged_once_a_minute_with_the_address_that_must_have_been_signed(
    serve: Serve, with_toy: Callable[[ProcessServices], ProcessServices]
) -> None:
    clock = [datetime(2026, 7, 1, tzinfo=UTC)]
    shop = await serve(lambda services: replace(with_toy(services), clock=lambda: clock[0]))
    with capture_logs() as logs:
        for seconds in (0, 30, 29, 1):
            clock[0] += timedelta(seconds=seconds)
            assert (await call(shop, b"{}", path=f"{PATH}?key=1", sign=False)).status == 401
    refused = [each for each in logs if each["event"] == "webhook_refused"]
    assert [(each["account"], each["reason"]) for each in refused] == [("toy", "the signature does not match")] * 2
    assert all(each["address"].startswith("http://") and each["address"].endswith(PATH) for each in refused)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/webhooks/slack/shop/nobody",
        "/v1/webhooks/slack/nobody/toy",
        "/v1/webhooks/nothing/shop/toy",
        "/v1/webhooks/web/shop/main",
    ],
)
async def test_an_unknown_account_is_404_and_so_is_the_web(toy_shop: Shop, path: str) -> None:
    answer = await call(toy_shop, b"{}", path=path)
    assert (answer.status, answer.code) == (404, "not_found")
    assert (await toy_shop.call("GET", path)).status == 404


async def test_size_and_content_type_are_limited(toy_shop: Shop) -> None:
    limit = 4 * 1024 * 1024
    fits = b'{"updates": []}'.ljust(limit)
    assert (await call(toy_shop, fits)).status == 200
    assert (await call(toy_shop, fits + b" ")).status == 413
    assert (await call(toy_shop, b"{}", kind="text/plain")).status == 415


async def test_the_vendors_question_is_answered_as_plain_text(toy_shop: Shop) -> None:
    answer = await toy_shop.call("GET", f"{PATH}?challenge=%3Cb%3E42")
    assert (answer.status, answer.body, answer.headers["Content-Type"]) == (200, b"<b>42", "text/plain; charset=utf-8")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    refused = await toy_shop.call("GET", PATH)
    assert (refused.status, refused.headers["Allow"]) == (405, "POST")


async def test_a_wrong_signature_is_not_said_to_need_a_token(toy_shop: Shop) -> None:
    refused = await call(toy_shop, b"{}", sign=False)
    assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, "Signature")


async def test_when_the_log_is_away_the_vendor_is_told_to_come_back(
    serve: Serve, with_toy: Callable[[ProcessServices], ProcessServices]
) -> None:
    def failing(services: ProcessServices) -> ProcessServices:
        bus: Any = FailingBus(services.bus)
        bus.error = BusUnavailable("the log cannot be reached")
        return replace(with_toy(services), bus=bus)

    shop = await serve(failing)
    answer = await call(shop, json.dumps({"updates": [update(1)]}).encode())
    assert (answer.status, answer.code) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) >= 1


async def test_while_state_is_rebuilt_the_vendor_is_told_to_come_back(
    serve: Serve, with_toy: Callable[[ProcessServices], ProcessServices]
) -> None:
    shop = await serve(lambda services: replace(with_toy(services), is_state_lost=lambda: True))
    answer = await call(shop, json.dumps({"updates": [update(1)]}).encode())
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
