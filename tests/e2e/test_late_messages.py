"""Late messages, from a vendor's history or by a replay, are answered only while they still wait."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from connectors.streams.runner import SILENCE_LIMIT
from gateway.config.loader import load
from gateway.wiring.engines import open_engine
from infra.deploy.process import free_port
from schemas import topics
from schemas.conversation import DeadLetter
from schemas.envelope import envelope
from schemas.ids import derived_id
from schemas.messages import InboundMessage
from schemas.transcript import CLOCK_TOLERANCE
from tests.e2e.conftest import ENGINES
from tests.harness.contract_client import ContractClient, Visitor, wait_for
from tests.harness.installation import QUESTIONS, Installation
from tests.harness.processes import ForkServer
from tests.simulators.twilio import Twilio
from tests.simulators.vendor import Fault

HEAT, RETURN, WATER = QUESTIONS
ANSWERS = {HEAT: "heat pack", RETURN: "30 days", WATER: "rain water"}


@pytest.fixture
async def vendor() -> AsyncIterator[Twilio]:
    vendor = Twilio()
    async with vendor.serving():
        yield vendor


@pytest.fixture(params=ENGINES)
async def parley(
    request: pytest.FixtureRequest, vendor: Twilio, fork_server: ForkServer, tmp_path: Path, topic_prefix: str
) -> AsyncIterator[Installation]:
    servers = {}
    if request.param == "scaled":
        servers = {"kafka": request.getfixturevalue("kafka_bootstrap"), "redis": request.getfixturevalue("redis_url")}
    port = free_port()
    public = f"http://127.0.0.1:{port}"
    channels = {"web": {"main": {"messages_per_minute": 1000}}, "whatsapp": {"main": vendor.settings()}}
    tenant = {"name": "Plants", "fold": {"web": 0.05, "others": 0.05}, "channels": channels}
    tenant["knowledge"] = {"paths": ["knowledge"]}
    installation = Installation.make(
        fork_server, tmp_path, prefix=topic_prefix, public_url=public, tenants={"plantstore": tenant}, **servers
    )
    installation.ports["edge" if installation.scaled else "dev"] = port
    vendor.call(f"{public}/v1/webhooks/whatsapp/plantstore/main")
    await installation.prepare()
    await installation.start()
    if installation.scaled:
        await installation.put_documents()
    yield installation
    await installation.stop()


async def test_a_late_message_is_answered_once_unless_a_later_one_was(
    parley: Installation, vendor: Twilio, http: aiohttp.ClientSession
) -> None:
    """A missed message, or a dead letter, is answered when nothing that was written after it was; else it only stands
    in the transcript, where it was written. A person's answer in the vendor's own app counts."""
    visitor = await ContractClient(parley, http).visitor()
    await asyncio.gather(visitor.ask(HEAT), _ask_and_wait(vendor, "anna", HEAT))
    await parley.stop()
    old, new = await _given_up(parley, visitor)
    for person in ("anna", "bob", "carol"):
        await vendor.say(person, RETURN)
    vendor.pace.forward(1)  # its list dates by the second
    vendor.answered_by_hand("carol", "Within a month.")
    await vendor.settled()  # in vain: nobody is there
    await wait_for(partial(_is_past, datetime.now(UTC) + SILENCE_LIMIT + CLOCK_TOLERANCE))
    vendor.faults.always = lambda asked: Fault("refuse", status=503) if asked.operation == "messages.list" else None
    await parley.start()
    await _ask_and_wait(vendor, "anna", WATER)
    vendor.faults.always = lambda _: None
    await asyncio.gather(_from_history(parley, vendor), _check_replays(parley, visitor, old, new))


async def _is_past(moment: datetime) -> bool | None:
    return datetime.now(UTC) > moment or None


async def _from_history(parley: Installation, vendor: Twilio) -> None:
    await _screen(vendor, "bob", RETURN)
    carol = await wait_for(lambda: _taken_over(parley))
    assert [(line["author"]["kind"], line["text"]) for line in carol["transcript"]] == [
        ("contact", RETURN),
        ("person", "Within a month."),
    ]
    anna = await wait_for(lambda: _find_conversation(parley, [HEAT, RETURN, WATER]))
    # An answer too many would stand before the next one.
    await asyncio.gather(_ask_and_wait(vendor, "anna", HEAT), _ask_and_wait(vendor, "bob", WATER))
    await _screen(vendor, "anna", HEAT, WATER, HEAT)
    await _screen(vendor, "bob", RETURN, WATER)
    found = await parley.admin("GET", f"conversations/{anna['id']}")
    assert [line["text"] for line in found["transcript"] if line["author"]["kind"] == "contact"] == [
        *(HEAT, RETURN, WATER, HEAT)
    ]
    assert [shown.text for shown in vendor.ledger.at(vendor.place("carol"))] == ["Within a month."]


async def _check_replays(parley: Installation, visitor: Visitor, old: str, new: str) -> None:
    await parley.admin("POST", f"deadletters/{old}/replay")

    async def stands_first() -> bool | None:
        found = await parley.admin("GET", f"conversations/{visitor.conversation}")
        return bool(found["transcript"][0]["text"] == RETURN) or None

    await wait_for(stands_first)
    for _ in range(2):
        await parley.admin("POST", f"deadletters/{new}/replay")
    assert ANSWERS[WATER] in (await visitor.until("agent", (await _last_answer(visitor))["seq"]))["text"]
    assert ANSWERS[HEAT] in (await visitor.ask(HEAT))["text"]
    answers = [line["text"] for line in await visitor.read() if line["author"]["kind"] == "agent"]
    assert [next(q for q, fact in ANSWERS.items() if fact in text) for text in answers] == [HEAT, WATER, HEAT]


async def _last_answer(visitor: Visitor) -> dict[str, Any]:
    return next(line for line in await visitor.read() if line["author"]["kind"] == "agent")


async def _given_up(parley: Installation, visitor: Visitor) -> tuple[str, str]:
    """Two dead letters of the visitor, by their ids: written before what was answered, and after it."""
    now = datetime.now(UTC)
    letters = [_letter(visitor, RETURN, now - timedelta(hours=1)), _letter(visitor, WATER, now)]
    config = load(parley.config)
    async with open_engine(config, config.data_path) as engine:
        for letter in letters:
            await engine.state.dead_letters.add(letter)
    return letters[0].id, letters[1].id


def _letter(visitor: Visitor, text: str, at: datetime) -> DeadLetter:
    id_ = derived_id(visitor.conversation, text)
    message = InboundMessage(id=id_, external_id=text, place="p", contact_id="c", text=text, sent_at=at)
    event = envelope(
        *(topics.MESSAGE_RECEIVED, message),
        id=id_,
        time=at,
        source="test",
        tenant="plantstore",
        channel="web",
        account="main",
        conversation=visitor.conversation,
    )
    return DeadLetter(
        id=derived_id(id_, "letter"),
        code="handler_failed",
        reason="it kept failing",
        attempts=5,
        topic="parley.inbound.web",
        partition=0,
        offset=0,
        tenant="plantstore",
        channel="web",
        conversation_id=visitor.conversation,
        headers=dict(event.headers()),
        value=base64.b64encode(event.data or b"").decode(),
        first_at=at,
        last_at=at,
    )


async def _ask_and_wait(vendor: Twilio, person: str, question: str) -> None:
    """Until the answer is seen."""
    before = len(vendor.ledger.at(vendor.place(person)))
    await vendor.say(person, question)

    async def answered() -> bool | None:
        return any(ANSWERS[question] in shown.text for shown in vendor.ledger.at(vendor.place(person))[before:]) or None

    await wait_for(answered, deadline=60)


async def _screen(vendor: Twilio, person: str, *questions: str) -> None:
    """Exactly these were answered, in this order."""

    async def enough() -> bool | None:
        return len(vendor.ledger.at(vendor.place(person))) >= len(questions) or None

    await wait_for(enough, deadline=60)
    shown = vendor.ledger.at(vendor.place(person))
    assert [next(q for q, fact in ANSWERS.items() if fact in each.text) for each in shown] == list(questions)


async def _conversations(parley: Installation) -> list[dict[str, Any]]:
    listed = (await parley.admin("GET", "conversations?channel=whatsapp"))["items"]
    return [await parley.admin("GET", f"conversations/{one['id']}") for one in listed]


async def _taken_over(parley: Installation) -> dict[str, Any] | None:
    return next((one for one in await _conversations(parley) if one["owner"] == "person"), None)


async def _find_conversation(parley: Installation, texts: list[str]) -> dict[str, Any] | None:
    """The conversation in which the contact wrote this, in this order."""
    for found in await _conversations(parley):
        if [line["text"] for line in found["transcript"] if line["author"]["kind"] == "contact"] == texts:
            return dict(found)
    return None
