"""Webhooks taken as an edge takes them, whichever way their channel does it."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from connectors.slack.inbound.requests import Json, PayloadKind
from connectors.slack.webhooks import SlackWebhooks
from schemas.errors import InvalidRequest
from schemas.ports import (
    Account,
    Channel,
    ChannelEvent,
    RawRequest,
    WebhookAnswer,
    WebhookHandshake,
    WebhookParser,
    WebhookReceiver,
)
from tests.channels.signing import sign_request

Result = TypeVar("Result")


@dataclass
class WebhookResult:
    """What was appended, and the answer; None where it is empty."""

    events: list[ChannelEvent] = field(default_factory=list)
    answer: WebhookAnswer | None = None

    async def append(self, events: Sequence[ChannelEvent]) -> None:
        self.events += events


def take_webhook(channel: Channel, request: RawRequest, account: Account) -> WebhookResult:
    """Verify a request and take it. Raises ParleyError."""
    taken = WebhookResult()
    channel.verify(request, account)
    if isinstance(channel, WebhookReceiver):
        taken.answer = run_at_once(channel.receive(request, account, taken.append))
        return taken
    if isinstance(channel, WebhookHandshake) and (text := channel.answer_handshake(request, account)) is not None:
        taken.answer = WebhookAnswer(text)
        return taken
    taken.events = parse_webhook(channel, request, account)
    return taken


def parse_webhook(channel: Channel, request: RawRequest, account: Account) -> list[ChannelEvent]:
    """Raises InvalidRequest."""
    assert isinstance(channel, WebhookParser)
    return channel.parse(request, account)


def read_slack_payload(request: RawRequest, account: Account, now: datetime) -> tuple[PayloadKind, Json]:
    """The payload that slack-bolt hands to our parsers, whoever signed it. Raises InvalidRequest, also where it answers
    without them."""
    found: list[tuple[PayloadKind, Json]] = []

    def parse(kind: PayloadKind, payload: Json, _account: Account) -> list[ChannelEvent]:
        found.append((kind, payload))
        return []

    signed = sign_request(request, account, at=now.timestamp())
    run_at_once(SlackWebhooks(parse, lambda: now).receive(signed, account, WebhookResult().append))
    if not found:
        raise InvalidRequest("no payload")
    return found[0]


def run_at_once(work: Coroutine[Any, Any, Result]) -> Result:
    """The result of a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        result: Result = done.value
        return result
    work.close()
    raise AssertionError("it waits for something")
