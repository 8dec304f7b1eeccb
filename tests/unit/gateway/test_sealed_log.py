"""The settings ``encrypt_log`` and ``encrypt_state``: whether words of contacts can be read in embedded mode's file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.config import loader as configuration
from gateway.wiring.engines import open_engine
from schemas import topics
from schemas.conversation import Origin
from schemas.envelope import Envelope, envelope
from schemas.messages import Author, InboundMessage, TranscriptMessage

CANARY = "canary of ada 4711"
NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def message() -> Envelope:
    said = InboundMessage(id="m", external_id="x", place="p", contact_id="ada", text=CANARY, sent_at=NOW)
    return envelope(
        topics.MESSAGE_RECEIVED, said, id="e", time=NOW, source="test", tenant="shop", channel="web", conversation="c"
    )


@pytest.mark.parametrize(("setting", "found"), [("", 0), ("encrypt_log: false\n", 1)])
async def test_words_are_readable_in_the_file_only_where_that_is_asked_for(
    tmp_path: Path, setting: str, found: int
) -> None:
    file = tmp_path / "parley.yaml"
    file.write_text(f"{setting}tenants: {{shop: {{name: S, channels: {{web: {{main: {{}}}}}}}}}}\n")
    config = configuration.load(file, environ={})
    async with open_engine(config, config.data_path) as engine:
        await engine.bus.append([message()])
    with closing(sqlite3.connect(config.data_path / "parley.db")) as database:
        query = "SELECT COUNT(*) FROM bus_records WHERE instr(value, CAST(? AS BLOB)) > 0"
        assert database.execute(query, (CANARY,)).fetchone() == (found,)
    for written in ("true", "false"):
        file.write_text(f"encrypt_log: {written}\n{file.read_text().removeprefix(setting)}")
        setting = f"encrypt_log: {written}\n"
        config = configuration.load(file, environ={})
        async with open_engine(config, config.data_path) as engine:
            records = [record async for record in await engine.bus.read(topics.inbound("web"))]
        texts = [Envelope.from_wire(each.headers, each.value).payload(InboundMessage).text for each in records]
        assert texts == [CANARY], f"with encrypt_log: {written}"


@pytest.mark.parametrize(("setting", "found"), [("", 0), ("encrypt_state: false\n", 1)])
async def test_words_are_readable_in_the_state_only_where_that_is_asked_for(
    tmp_path: Path, setting: str, found: int
) -> None:
    file = tmp_path / "parley.yaml"
    file.write_text(f"{setting}tenants: {{shop: {{name: S, channels: {{web: {{main: {{}}}}}}}}}}\n")
    config = configuration.load(file, environ={})
    origin = Origin(tenant="shop", channel="web", account="main", place="p", contact_id="ada")
    line = TranscriptMessage(id="m", author=Author(kind="contact"), text=CANARY, created_at=NOW)
    async with open_engine(config, config.data_path) as engine:
        await engine.state.conversations.begin("c", origin, [], now=NOW, messages=[line])
    with closing(sqlite3.connect(config.data_path / "parley.db")) as database:
        query = "SELECT COUNT(*) FROM state_transcript WHERE instr(body, ?) > 0"
        assert database.execute(query, (CANARY,)).fetchone() == (found,)
    async with open_engine(config, config.data_path) as engine:
        assert [each.text for each in await engine.state.transcript.read("c")] == [CANARY]
