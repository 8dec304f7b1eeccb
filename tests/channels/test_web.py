"""The web channel: what the contact sees is the transcript."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors import registry
from infra.database import Database
from infra.state.sqlite.engine import open_sqlite_state
from schemas.errors import NotFound, SendRefused
from schemas.messages import Author, Choice, Citation, OutboundMessage
from schemas.ports import Account, Channel, RawRequest, RenderContext, State
from tests.channels.webhook_intake import parse_webhook
from tests.harness.channel_tools import tools_of

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
WEB = Account("shop", "web", "main", None)


def message(**fields: Any) -> OutboundMessage:
    whole: dict[str, Any] = {
        "id": "r1",
        "author": Author(kind="agent", name="Fern"),
        "text": "**Hello** [1]",
        "place": "p",
        "contact_id": "c",
        "citations": [Citation(n=1, document="d", title="t", quote="q")],
        "choices": [Choice(id="person", label="Ask a person")],
        "in_reply_to": "m1",
        "turn_id": "t1",
        "created_at": NOW,
        "expires_at": NOW + timedelta(days=1),
    }
    return OutboundMessage(**whole | fields)


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[State]:
    database = Database.open(tmp_path / "parley.db")
    state = open_sqlite_state(database)
    yield state
    await state.close()
    await database.close()


@pytest.fixture
def web(state: State) -> Channel:
    return registry.open_channel("web", tools_of(state))


async def send(web: Channel, sent: OutboundMessage) -> str:
    (call,) = web.render(sent, RenderContext("c1", WEB))
    return web.parse_response(call, await web.connect(WEB).perform(call, sent.id))


async def test_sending_adds_one_whole_line_and_tells_watchers(state: State, web: Channel) -> None:
    signals = state.signals.subscribe("conversation:c1")
    assert await send(web, message()) == ""
    assert await anext(signals) == b'{"type":"message"}'
    (line,) = await state.transcript.read("c1")
    sent = message()
    assert (line.seq, line.id, line.state, line.text) == (1, "r1", "sent", sent.text)
    assert (line.citations, line.choices, line.in_reply_to, line.turn_id) == (
        sent.citations,
        sent.choices,
        "m1",
        "t1",
    )


async def test_sending_twice_shows_it_once(state: State, web: Channel) -> None:
    assert web.policy.reconciliation == "repeat"
    for _ in range(2):
        await send(web, message())
    assert len(await state.transcript.read("c1")) == 1


async def test_nothing_to_show_is_refused(web: Channel) -> None:
    with pytest.raises(SendRefused):
        await send(web, message(text=" ", choices=[]))


def test_it_takes_no_webhooks(web: Channel) -> None:
    request = RawRequest("POST", "/", {}, {}, b"")
    with pytest.raises(NotFound):
        web.verify(request, WEB)
    with pytest.raises(NotFound):
        parse_webhook(web, request, WEB)


def test_a_channel_that_is_not_listed_is_not_found(state: State) -> None:
    with pytest.raises(NotFound, match="pigeon"):
        registry.open_channel("pigeon", tools_of(state))
