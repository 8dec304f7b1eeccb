"""A replay answers from the recording: what was not recorded it does not invent, and it can write nothing."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import fields, replace
from pathlib import Path

import pytest

from agent_worker.learning.conversation_log import ConversationLog
from agent_worker.learning.recorded_provider import RecordedProvider
from agent_worker.learning.recorded_services import WriteInReplay, recorded_state
from agent_worker.learning.replay import ReplayedTurn, ReplayEngine
from agent_worker.models.local.model import LocalModel
from agent_worker.models.providers.openai import openai_provider
from agent_worker.models.providers.provider import ModelLimits
from agent_worker.models.providers.remote_model import RemoteModel
from agent_worker.models.registry import Emit, Models
from agent_worker.router.rules import RouteRules
from agent_worker.settings import TenantRules, WorkerSettings
from schemas import topics
from schemas.errors import Unavailable
from schemas.ports import AnswerDraft, Position, Question, State
from schemas.turn_recording import TurnRecording
from tests.harness.command_model import CommandModel
from tests.simulators.models.server import ModelServer, Script
from tests.unit.agent_worker.actions.shop import Shop, another_worker, open_shop, rules
from tests.unit.agent_worker.learning.log_reading import read_conversations, replay_log
from tests.unit.agent_worker.worker_environment import (
    CHANNEL,
    RETURNS,
    TENANT,
    VOICE,
    WorkerEnvironment,
    wait_until,
    world_at,
)

HEAT = "Do you add a heat pack in winter?"
RETURN = "Within how many days can I return pots?"


async def replay(world: WorkerEnvironment, settings: WorkerSettings | None = None) -> list[ReplayedTurn]:
    return await replay_log(world.bus, TENANT, [CHANNEL], knowledge=world.library, settings=settings or world.settings)


async def replay_shop(shop: Shop) -> list[ReplayedTurn]:
    world = shop.world
    return await replay_log(
        world.bus, TENANT, [CHANNEL], knowledge=world.library, settings=world.settings, model=CommandModel()
    )


async def read_log(world: WorkerEnvironment) -> ConversationLog:
    (log,) = await read_conversations(world.bus, TENANT, [CHANNEL])
    return log


# ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_call_that_was_not_made_before_is_not_recorded_and_the_rest_has_diverged(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        await shop.say("first", "hello there")
        await shop.say("second", 'status {"order": "A-1001"}')
        await shop.say("third", "hello again")
        log = await read_log(shop.world)
        ids = [turn.id for turn in log.turns]
        log.recordings[ids[1]] = log.recordings[ids[1]].model_copy(update={"calls": []})
        models = Models({"local": CommandModel()}, settings=shop.world.settings)
        engine = ReplayEngine(TENANT, shop.world.library, models, shop.world.settings)
        first, second, third = await engine.replay(log)
    assert first.same
    assert (second.same, second.diverged) == (False, "status: not recorded")
    assert "on its way" in second.before.text
    assert "on its way" not in second.after.text
    assert (third.same, third.diverged) == (False, "status: not recorded")
    assert third.after == third.before, "it is marked although it could be compared"


async def test_a_call_with_other_arguments_was_not_recorded_either(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        await shop.say("first", 'status {"order": "A-1001"}')
        log = await read_log(shop.world)
        models = Models({"local": OtherOrderModel()}, settings=shop.world.settings)
        (turn,) = await ReplayEngine(TENANT, shop.world.library, models, shop.world.settings).replay(log)
    assert turn.diverged == "status: not recorded"


class OtherOrderModel(CommandModel):
    """Asks for another order than the contact."""

    async def answer(self, question: Question, emit: Emit) -> AnswerDraft:
        text = question.text.replace("A-1001", "A-1002")
        return await super().answer(replace(question, text=text), emit)


async def test_actions_that_the_recorded_setup_did_not_have_diverge(tmp_path: Path) -> None:
    """How sure we were of the contact was not asked then, and nobody knows it now."""
    async with world_at(tmp_path) as world, open_shop(tmp_path / "shop") as shop:
        await world.handle(world.said("m1", "where is my order A-1002?"))
        tenant = replace(world.settings.of(TENANT), actions=rules(shop.payments))
        (turn,) = await replay(world, WorkerSettings(tenants={TENANT: tenant}))
    assert turn.diverged == "the contact: not recorded"


async def test_an_outcome_that_another_attempt_brought_is_replayed(tmp_path: Path) -> None:
    """The worker was gone in the middle of the call. The next one had to say that the outcome is unclear."""
    async with open_shop(tmp_path) as shop:
        pending = await shop.ask()
        lane = await shop.world.lane(shop.yes(pending))
        shop.payments.pause = 30
        running = asyncio.create_task(shop.worker.handle(lane))
        await wait_until(lambda: bool(shop.payments.done))
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        shop.payments.pause = 0
        await another_worker(shop).handle(lane)
        shop.world.clock.advance(seconds=36)
        await shop.resolve()
        replayed = await replay_shop(shop)
    assert [turn.same for turn in replayed] == [True, True, True]
    assert "on its way" in replayed[-1].after.text


async def test_a_replay_can_reach_neither_the_log_nor_the_state_nor_a_vendor() -> None:
    state = recorded_state()
    closed = [field.name for field in fields(State) if field.name not in ("contacts", "journal")]
    assert {"conversations", "transcript", "deliveries", "parking", "limiter"} <= set(closed)
    for name in closed:
        with pytest.raises(WriteInReplay):
            await getattr(state, name).anything()
    for port in (state.journal, state.contacts):
        for operation in ("claim", "record", "admit", "withdraw", "resolve"):
            assert not hasattr(port, operation)


# ── settings and documents ───────────────────────────────────────────────────────────────────────────────────────────


async def test_another_voice_and_an_edited_document_change_what_they_concern(tmp_path: Path) -> None:
    async with world_at(tmp_path) as world:
        for number, text in enumerate((HEAT, RETURN, "Do you sell spaceships?")):
            await world.handle(world.said(f"m{number}", text))
            world.clock.advance(minutes=1)
        voice = replace(world.settings.of(TENANT), voice=replace(VOICE, not_found="No idea."))
        tried = await replay(world, WorkerSettings(tenants={TENANT: voice}))
        assert [turn.same for turn in tried] == [True, True, False]
        assert tried[2].after.text.startswith("No idea.")

        await world.put("returns", RETURNS.replace("30 days", "60 days"))
        await world.library.wait_until_indexed(TENANT, 30)
        edited = await replay(world)
        assert [turn.same for turn in edited] == [True, False, True]
        assert "60 days" in edited[1].after.text
        assert edited[0].after == edited[0].before


async def test_a_document_that_is_published_again_unchanged_changes_nothing(tmp_path: Path) -> None:
    async with world_at(tmp_path) as world:
        await world.handle(world.said("m1", RETURN))
        document = await world.library.document(TENANT, "returns")
        assert document is not None
        version = await world.put("returns", document.body)
        await world.library.wait_until_indexed(TENANT, 30)
        (turn,) = await replay(world)
    assert turn.same
    assert turn.after.citations[0].version == version > turn.before.citations[0].version


async def test_a_turn_whose_message_is_gone_is_never_the_same(tmp_path: Path) -> None:
    async with world_at(tmp_path) as world:
        await world.handle(world.said("m1", HEAT))
        log = await read_log(world)
        (turn,) = log.turns
        gone = ConversationLog(log.id, TENANT, CHANNEL, "main", "visitor-1", "contact-1", [turn], log.recordings)
        none = ConversationLog(log.id, TENANT, CHANNEL, "main", "visitor-1", "contact-1", [turn])
        engine = ReplayEngine(TENANT, world.library, Models({"local": LocalModel(world.settings)}), world.settings)
        assert [(one.same, one.missing) for one in await engine.replay(gone)] == [
            (False, f"message {turn.handled[0]} is no longer on the log")
        ]
        assert [one.missing for one in await engine.replay(none)] == ["it was recorded by an earlier release"]


# ── models ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def remote_model(server: ModelServer, settings: WorkerSettings, *, name: str = "adapter-7") -> RemoteModel:
    provider = openai_provider(model=name, base_url=server.base_url, api_key="sk-test", timeout=30)
    recorded = RecordedProvider("remote", f"openai/{name}", provider)
    return RemoteModel("remote", recorded, settings, ModelLimits(timeout=30, silence=30, context=8_000))


async def test_a_model_is_only_asked_again_if_the_request_is_another_one(tmp_path: Path) -> None:
    routes = RouteRules(cheap="remote")
    settings = WorkerSettings(tenants={TENANT: TenantRules(voice=VOICE, routes=routes)})
    serving = ModelServer().serving()
    async with serving as server, world_at(tmp_path, routes=routes, models=[remote_model(server, settings)]) as world:
        await world.handle(world.said("m1", HEAT))
        (said,) = await world.replies()
        assert len(server.calls) == 1
        log = await read_log(world)

        async def replayed(settings: WorkerSettings, name: str = "adapter-7") -> ReplayedTurn:
            remote = remote_model(server, settings, name=name)
            models = Models({"local": LocalModel(settings), "remote": remote}, settings=settings)
            (turn,) = await ReplayEngine(TENANT, world.library, models, settings).replay(log)
            await remote.close()
            return turn

        server.script = Script(status=500)
        same = await replayed(settings)
        assert (same.same, same.after.text) == (True, said.text)
        assert same.after == same.before
        assert len(server.calls) == 1, "the recorded answer was enough"

        server.script = Script()
        instructed = replace(VOICE, instructions={"": "Answer briefly."})
        prompted = WorkerSettings(tenants={TENANT: TenantRules(voice=instructed, routes=routes)})
        await replayed(prompted)
        assert len(server.calls) == 2, "the prompt is another one"
        await replayed(settings, name="adapter-8")
        assert len(server.calls) == 3, "the model is another one"


# ── size ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_recordings_take_at_most_15_percent_more_of_the_log(tmp_path: Path) -> None:
    """Of short conversations, whose other records are smallest. Their passages are new only once."""
    questions = (HEAT, "And how long does it keep warm?", RETURN, "Thanks!")
    async with world_at(tmp_path) as world:
        for number, text in enumerate(questions * 3):
            await world.handle(world.said(f"m{number}", text))
            world.clock.advance(minutes=1)
        sizes: dict[str, list[int]] = {}
        for topic in (topics.inbound(CHANNEL), topics.outbound(CHANNEL), topics.EVENTS, topics.STATE):
            async for record in await world.bus.read(topic):
                sizes.setdefault(record.headers["ce_type"], []).append(record.size)
        recordings = sum(sizes.pop(topics.TURN_RECORDED))
        assert len(sizes.pop(topics.PASSAGE_RETRIEVED)) == 3, "each passage once"
        assert recordings <= 0.15 * sum(sum(each) for each in sizes.values())


async def test_a_recording_survives_a_kill_between_commit_and_publication(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in the outbox with the reply, and whoever publishes that publishes it."""
    async with world_at(tmp_path) as world:
        batch = await world.lane(world.said("m1", HEAT))

        async def fail(*_: object, **__: object) -> list[Position]:
            raise Unavailable("the process is gone")

        append = world.bus.append
        monkeypatch.setattr(world.bus, "append", fail)
        with pytest.raises(Unavailable):
            await world.worker.handle(batch)
        monkeypatch.setattr(world.bus, "append", append)
        assert await world.told(topics.TURN_RECORDED) == []
        world.clock.advance(seconds=60)
        assert await world.worker_with().sweep() == 1
        (recording,) = await world.told(topics.TURN_RECORDED)
        assert isinstance(recording, TurnRecording)
        (turn,) = await replay(world)
        assert turn.same
