"""Slack's webhooks: the bytes are verified, then slack-bolt reads, dispatches and answers them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from slack_bolt.async_app import AsyncBoltContext, AsyncBoltRequest
from slack_bolt.response import BoltResponse

from connectors.slack.app import UNREADABLE, RingVerifier, SlackApp
from connectors.slack.inbound import requests
from connectors.slack.inbound.requests import Json, PayloadKind
from connectors.slack.settings import SlackAccount
from schemas.errors import InvalidRequest, Unauthorized
from schemas.ports import Account, AppendEvents, ChannelEvent, Clock, RawRequest, WebhookAnswer

ParsePayload = Callable[[PayloadKind, Json, Account], list[ChannelEvent]]
PASSED_HEADERS = ("content-type", "x-slack-request-timestamp", "x-slack-signature")
"""The headers that slack-bolt gets. Some others, which anybody could add, would make it skip its listeners."""


class SlackWebhooks:
    """The webhooks of all accounts. Each has its own app."""

    def __init__(self, parse: ParsePayload, clock: Clock) -> None:
        self._parse = parse
        self._clock = clock
        self._apps: dict[tuple[str, str], SlackApp] = {}

    def verify(self, request: RawRequest, settings: SlackAccount) -> None:
        """Verify the bytes. slack-bolt does so only after it has parsed them, and fails on a timestamp that is no
        number. Raises Unauthorized."""
        timestamp, signature = (request.headers.get(name) for name in PASSED_HEADERS[1:])
        try:
            is_valid = RingVerifier(settings, self._clock).is_valid(request.body, timestamp, signature)
        except (OverflowError, TypeError, ValueError):
            is_valid = False
        if not is_valid:
            raise Unauthorized("the signature is missing, wrong or too old")

    def open_app(self, account: Account) -> SlackApp:
        key = (account.tenant, account.name)
        if key not in self._apps:
            self._apps[key] = SlackApp(account.settings, self._take, self._clock)
        return self._apps[key]

    async def receive(self, request: RawRequest, account: Account, append: AppendEvents) -> WebhookAnswer | None:
        """See ``schemas.ports.WebhookReceiver``."""
        read = _read_request(request, {"account": account, "append": append})
        return _read_response(await self.open_app(account).dispatch(read))

    async def _take(self, kind: PayloadKind, body: Json, context: AsyncBoltContext) -> None:
        append: AppendEvents = context["append"]
        await append(self._parse(kind, body, context["account"]))


def _read_request(request: RawRequest, context: Json) -> AsyncBoltRequest:
    """Raises InvalidRequest."""
    fields = requests.read_form(request)
    headers: dict[str, str | Sequence[str]] = {
        name: request.headers[name] for name in PASSED_HEADERS if name in request.headers
    }
    try:
        read = AsyncBoltRequest(body=request.body.decode(), headers=headers, context=context)
    except UNREADABLE:
        raise InvalidRequest("the body is not a request from Slack") from None
    if not read.body:  # slack-bolt 1.30 reads nothing of a command that has the word "payload" in its text
        read.body = dict(fields)
    if read.body.get("type") == "url_verification" and not isinstance(read.body.get("challenge"), str):
        raise InvalidRequest("challenge: must be text")
    return read


def _read_response(response: BoltResponse) -> WebhookAnswer | None:
    content_type = response.headers["content-type"][0].partition(";")[0]
    return WebhookAnswer(response.body, content_type) if response.body else None
