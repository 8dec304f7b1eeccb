"""The slack-bolt app of one account: it reads and dispatches what Slack sends, over HTTP and Socket Mode alike.

docs/adr/0049-slack-bolt.md
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext, AsyncBoltRequest
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.authorization.async_authorize import AsyncAuthorize
from slack_bolt.middleware.async_builtins import AsyncRequestVerification
from slack_bolt.response import BoltResponse
from slack_sdk.signature import Clock as VerifierClock
from slack_sdk.signature import SignatureVerifier

from connectors.slack.client import build_web_client
from connectors.slack.inbound.requests import Json, PayloadKind, build_usage
from connectors.slack.settings import SlackAccount
from schemas.errors import Unauthorized
from schemas.ports import Clock

TakePayload = Callable[[PayloadKind, Json, AsyncBoltContext], Awaitable[None]]
"""Append the events of a payload; they are durable when it returns. It may raise anything: then nothing is
acknowledged."""
REFUSAL = "parley_refusal"
"""Key in a request's context: the error that ``take`` raised."""
UNREADABLE = (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError)
"""Raised by slack-bolt's requests for payloads that Slack does not send."""
ANY = re.compile("")
LOGGER = logging.getLogger("parley.slack.bolt")
LOGGER.setLevel(logging.CRITICAL)
"""slack-bolt and slack_sdk log bodies of requests and addresses of sockets, which hold people's words and tickets. All
errors are logged or raised by us."""


class SlackClock(VerifierClock):
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> float:
        return self._clock().timestamp()


class RingVerifier(SignatureVerifier):
    """Checks a signature with each key of the account. Raises ValueError without one (in socket mode), with which
    anybody could compute the signature."""

    def __init__(self, settings: SlackAccount, clock: Clock) -> None:
        super().__init__(settings.signing_secret.get_secret_value(), SlackClock(clock))
        self._others = [SignatureVerifier(key, SlackClock(clock)) for key in settings.signing_secret.keys[1:]]

    def is_valid(self, body: str | bytes, timestamp: str | None, signature: str | None) -> bool:
        if super().is_valid(body, timestamp, signature):
            return True
        return any(each.is_valid(body, timestamp, signature) for each in self._others)


class RequestVerification(AsyncRequestVerification):
    """slack-bolt's check of a webhook's signature; it lets envelopes of a socket pass."""

    def __init__(self, settings: SlackAccount, clock: Clock) -> None:
        super().__init__("", LOGGER)
        self._settings = settings
        self._clock = clock

    @property
    def verifier(self) -> SignatureVerifier:
        return RingVerifier(self._settings, self._clock)


class AccountAuthorization(AsyncAuthorize):
    """An account is one installation, so nobody needs to be asked whose token counts."""

    def __init__(self, settings: SlackAccount) -> None:
        self._token = settings.bot_token

    async def __call__(self, **_installation: Any) -> AuthorizeResult:
        return AuthorizeResult(enterprise_id=None, team_id=None, bot_token=self._token.get_secret_value())


class SlackApp:
    """slack-bolt's app, whose listeners acknowledge once ``take`` has returned."""

    def __init__(self, settings: SlackAccount, take: TakePayload, clock: Clock) -> None:
        self._take = take
        self.bolt = AsyncApp(
            name="parley",
            logger=LOGGER,
            client=build_web_client(settings, settings.bot_token),
            # The same check as slack-bolt's, in the same place, by our clock.
            request_verification_enabled=False,
            before_authorize=RequestVerification(settings, clock),
            authorize=AccountAuthorization(settings),
            # Listeners end before the response: that is what puts the append before the acknowledgement.
            process_before_response=True,
            raise_error_for_unhandled_request=True,
            # Unsigned, so they are answered before anything is read.
            ssl_check_enabled=False,
            # Our parsers decide which messages are our own.
            ignoring_self_events_enabled=False,
            attaching_function_token_enabled=False,
            attaching_conversation_kwargs_enabled=False,
        )
        self._add_listeners()

    async def dispatch(self, request: AsyncBoltRequest) -> BoltResponse:
        """Return the acknowledgement. Raises Unauthorized, and what ``take`` does."""
        response = await self.bolt.async_dispatch(request)
        refusal: Exception | None = request.context.get(REFUSAL)
        if refusal is not None:
            raise refusal
        if response.status == 401:
            raise Unauthorized("the signature is missing, wrong or too old")
        if response.status != 200:
            # No listener is for this kind, or slack-bolt cannot tell which one: the parsers drop as little as they can.
            await self._take(_guess_kind(request.body), request.body, request.context)
            return BoltResponse(status=200)
        return response

    def _add_listeners(self) -> None:
        """Listen to everything: the parsers know, and log, which kinds are used."""
        app = self.bolt

        @app.event(ANY)
        async def take_event(body: Json, context: AsyncBoltContext) -> None:
            await self._hand_over("events_api", body, context)

        @app.command(ANY)
        async def take_command(body: Json, context: AsyncBoltContext, ack: AsyncAck) -> BoltResponse:
            await self._hand_over("slash_commands", body, context)
            return await ack(build_usage(body))

        @app.action(ANY)
        @app.shortcut(ANY)
        @app.view(ANY)
        @app.view_closed(ANY)
        @app.options(ANY)
        async def take_interaction(body: Json, context: AsyncBoltContext, ack: AsyncAck) -> BoltResponse:
            await self._hand_over("interactive", body, context)
            return await ack()

    async def _hand_over(self, kind: PayloadKind, body: Json, context: AsyncBoltContext) -> None:
        try:
            await self._take(kind, body, context)
        except Exception as error:
            context[REFUSAL] = error
            raise


def _guess_kind(body: Json) -> PayloadKind:
    if "command" in body:
        return "slash_commands"
    return "interactive" if "user" in body else "events_api"
