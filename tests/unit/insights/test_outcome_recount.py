"""The outcomes of 100,000 events equal a recount by other code, on a log with many of them twice, as after kills."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent_worker.learning.insights.outcomes import DIMENSIONS, build_rows, list_handoff_reasons
from agent_worker.learning.insights.timeline import TIMELINE_TYPES
from gateway.insights.insight_reader import assess_all
from gateway.insights.timelines import Period
from gateway.training_export.conversation_grouping import open_conversation_grouping
from infra.bus.sqlite import SqliteBus
from infra.database import Database
from schemas import topics
from schemas.conversation import ActionRecord
from schemas.envelope import Envelope
from schemas.ids import derived_id
from tests.harness.sizes import size
from tests.unit.insights.log_writer import START, LogWriter

CHANNELS = ["web", "slack", "whatsapp"]
CONVERSATIONS = size(2_100, full=10_500)
EVENTS = size(20_000, full=100_000)
DAYS = 40
PERIOD = Period(START + timedelta(days=5), START + timedelta(days=35), START + timedelta(days=DAYS))
REASONS = {
    "the contact asked for a person": "the contact asked for a person",
    "risk: legal": "risk: legal",
    "3 answers in a row did not help": "answers in a row did not help",
    "": "no reason given",
    "claimed": "claimed",
}
"""Reason → how it is counted."""


def write_conversation(number: int, rng: random.Random) -> list[Envelope]:
    """Up to three visits with up to three questions each, and everything that may happen to them."""
    talk = LogWriter(f"c{number}", rng.choice(CHANNELS), START + timedelta(days=rng.uniform(0, DAYS - 8)))
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        for _ in range(rng.choice([1, 1, 2, 3])):
            write_question(talk, rng)
            talk.wait(minutes=rng.choice([1, 10, 50, 70]))
        if rng.random() < 0.2:
            talk.asks("Thanks")
            talk.answers("Gladly", outcome="small_talk", model="local")
        talk.wait(days=rng.choice([0.03, 0.5, 3, 6.99, 7.2, 12]))
    return talk.events


def write_question(talk: LogWriter, rng: random.Random) -> None:
    talk.asks()
    talk.wait(seconds=rng.randrange(1, 90))
    chance = rng.random()
    if chance < 0.12:
        write_handoff(talk, rng)
        return
    outcome = rng.choices(["answer", "declined", "action", "small_talk"], [70, 15, 10, 5])[0]
    results: Any = [rng.choice(["succeeded", "failed"])] if outcome == "action" else []
    reply = talk.answers(
        outcome=outcome,
        route=rng.choice(["local", "cheap", "strong"]),
        model=rng.choice(["", "small", "large"]),
        intent=rng.choice(["", "shipping", "refund"]),
        cost=rng.randrange(0, 64) / 1024,
        actions=[ActionRecord(name="refund", outcome=result) for result in results],
        seen=rng.random() > 0.02,
    )
    for _ in range(rng.choice([0, 0, 0, 1, 2])):
        talk.wait(seconds=20)
        talk.thumb(reply, rng.choice(["up", "up", "down", "none"]))


def write_handoff(talk: LogWriter, rng: random.Random) -> None:
    talk.answers("A colleague will take over.", outcome="person", route="person", model="")
    talk.passes_to("queue", reason=rng.choice([*REASONS][:-1]))
    talk.wait(minutes=rng.randrange(1, 200))
    talk.passes_to("person", by="slack:U1", reason="claimed")
    reply = talk.person_writes()
    if rng.random() < 0.2:
        talk.thumb(reply, rng.choice(["up", "down"]))
    talk.wait(minutes=1)
    if rng.random() < 0.8:
        talk.passes_to(rng.choice(["closed", "agent"]), by="slack:U1")
    if rng.random() < 0.5:
        talk.rates(rng.choice([1, 2, 3, 4, 5]))


def write_log() -> list[Envelope]:
    rng = random.Random(20261129)
    return [event for number in range(CONVERSATIONS) for event in write_conversation(number, rng)]


# ── the recount: plain loops over JSON, without the product's models ─────────────────────────────────────────────────


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def recount(events: Iterable[Envelope]) -> dict[str, Any]:
    """Dimension → key → figures, and under ``reasons`` reason → conversations."""
    by_conversation: dict[str, dict[str, tuple[str, Any]]] = defaultdict(dict)
    channels = {}
    for event in events:
        by_conversation[event.conversation].setdefault(event.id, (event.type, json.loads(event.data or b"{}")))
        channels[event.conversation] = event.channel
    rows: dict[str, dict[str, list[Any]]] = {name: defaultdict(list) for name in DIMENSIONS}
    reasons: Counter[str] = Counter()
    for conversation, found in by_conversation.items():
        counted = Recount(list(found.values())).figures()
        if counted is not None:
            counted["channel"] = channels[conversation]
            reasons.update(counted["reasons"])
            for name, groups in rows.items():
                groups[counted[name] or "none"].append(counted)
    figures: dict[str, Any] = {
        name: {key: add_up(conversations) | {"key": key} for key, conversations in groups.items()}
        for name, groups in rows.items()
    }
    return figures | {"reasons": dict(reasons)}


def add_up(conversations: list[dict[str, Any]]) -> dict[str, Any]:
    names = ("autonomous", "durable", "provisional", "handed_off", "reopened")
    figures: dict[str, Any] = {name: sum(each[name] for each in conversations) for name in names}
    waits = sorted(wait for each in conversations for wait in each["waits"])
    middle = len(waits) // 2
    median = waits[middle] if len(waits) % 2 else (waits[middle - 1] + waits[middle]) / 2
    agent = [value for each in conversations for value in each["agent"]]
    people = [value for each in conversations for value in each["people"]]
    cost = sum(each["cost"] for each in conversations)
    return figures | {
        "conversations": len(conversations),
        "first_reply_ms": round(median),
        "cost": round(cost, 6),
        "cost_per_durable": round(cost / figures["durable"], 6) if figures["durable"] else None,
        "csat": share(agent + people),
        "csat_agent": share(agent),
        "csat_people": share(people),
        "rated": sum(bool(each["agent"] or each["people"]) for each in conversations),
    }


def share(values: Sequence[bool]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None


class Recount:
    """The recount of one conversation."""

    def __init__(self, events: list[tuple[str, Any]]) -> None:
        self._events = events
        self.inbound = self.payloads(topics.MESSAGE_RECEIVED)
        self.turns = self.payloads(topics.TURN_COMPLETED)
        self.thumbs: dict[str, Any] = {}
        for thumb in sorted(self.payloads(topics.FEEDBACK_GIVEN), key=lambda each: seconds(each["at"])):
            self.thumbs[thumb["message_id"]] = thumb
        self.lost = {each["message_id"] for each in self.payloads(topics.DELIVERY_RECORDED) if each["state"] != "sent"}
        self.idle = {id for turn in self.turns if turn["outcome"] == "small_talk" for id in turn["handled"]}
        self.visits: list[dict[str, Any]] = []
        for at, _, kind, what in self.steps():
            if kind == "asks":
                self.ask(at, what)
            self.go_on(at, kind, what)

    def payloads(self, type: str) -> list[Any]:
        return [payload for kind, payload in self._events if kind == type]

    def helped(self, turn: Any) -> bool:
        replies = [reply["id"] for reply in turn["replies"]]
        done = any(action["outcome"] == "succeeded" for action in turn["actions"])
        worked = turn["outcome"] == "answer" or (turn["outcome"] == "action" and done)
        disliked = any(self.thumbs.get(reply, {}).get("value") == "down" for reply in replies)
        return worked and not disliked and not self.lost.intersection(replies)

    def steps(self) -> list[tuple[float, int, str, Any]]:
        steps: list[tuple[float, int, str, Any]] = []
        for message in self.inbound:
            is_person = message["author"]["kind"] == "person"
            steps.append((seconds(message["sent_at"]), 3 * is_person, "person" if is_person else "asks", message))
        steps += [(seconds(turn["at"]), 1, "turn", turn) for turn in self.turns]
        steps += [(seconds(each["at"]), 2, "owner", each) for each in self.payloads(topics.OWNER_CHANGED)]
        return sorted(steps, key=lambda each: each[:2])

    def ask(self, at: float, message: Any) -> None:
        """Begin a visit, if this is the first message of one."""
        visit = self.visits[-1] if self.visits else None
        owner = "agent"
        if visit is not None:
            gap = at - visit["last"]
            told = visit["owner"] == "agent" and bool(visit["told"]) and self.helped(visit["told"][-1])
            back = (visit["owner"] == "closed" or (told and gap >= 3600)) and message["id"] not in self.idle
            visit["reopened"] |= back and gap < 7 * 86400
            if not back and gap < 7 * 86400:
                return
            owner = visit["owner"] if visit["owner"] in ("queue", "person") else "agent"
        self.visits.append(
            {"start": at, "last": at, "owner": owner, "people": owner != "agent", "told": [], "turns": []}
            | {"reasons": [], "reopened": False, "replied": None}
        )

    def go_on(self, at: float, kind: str, what: Any) -> None:
        visit = self.visits[-1]
        if kind == "turn":
            visit["turns"].append(what)
            visit["told"] += [what] if what["outcome"] != "small_talk" else []
            visit["replied"] = visit["replied"] or at
        if kind == "person":
            visit["people"], visit["replied"] = True, visit["replied"] or at
        if kind == "owner":
            if what["owner"] in ("queue", "person"):
                visit["reasons"] += [] if visit["owner"] in ("queue", "person") else [what.get("reason", "")]
                visit["people"] = True
            visit["owner"] = what["owner"]
        small = (kind == "asks" and what["id"] in self.idle) or what.get("outcome") == "small_talk"
        visit["last"] = visit["last"] if small else at

    def ratings(self, chosen: list[Any]) -> tuple[list[bool], list[bool]]:
        """Of the agent, and of people."""

        def counts(moment: str) -> bool:
            visit = [each for each in self.visits if each["start"] <= seconds(moment)][-1]
            return any(visit is each for each in chosen)

        replies = {reply["id"] for visit in chosen for turn in visit["turns"] for reply in turn["replies"]}
        theirs = {derived_id(each["id"], "outbound") for each in self.inbound if each["author"]["kind"] == "person"}
        counted = [thumb for thumb in self.thumbs.values() if thumb["value"] != "none"]
        agent = [each["value"] == "up" for each in counted if each["message_id"] in replies]
        of_people = [each for each in counted if each["message_id"] in theirs]
        people = [each["value"] == "up" for each in of_people if counts(each["at"])]
        return agent, people + [each["score"] > 3 for each in self.payloads(topics.RATING_GIVEN) if counts(each["at"])]

    def figures(self) -> dict[str, Any] | None:
        first, end = PERIOD.since.timestamp(), PERIOD.until.timestamp()
        chosen = [visit for visit in self.visits if first <= visit["start"] < end]
        if not chosen:
            return None
        decided = [visit for visit in chosen if visit["told"] or visit["people"]]
        failed = [each for each in decided if each["people"] or not each["told"] or not self.helped(each["told"][-1])]
        alone = bool(decided) and not failed
        again = any(visit["reopened"] for visit in chosen)
        last = next((visit["told"][-1] for visit in reversed(chosen) if visit["told"]), None)
        every = [turn for visit in chosen for turn in visit["turns"]] + ([last] if last else [])
        agent, people = self.ratings(chosen)
        return {
            "autonomous": alone,
            "durable": alone and not again,
            "provisional": alone and not again and PERIOD.now.timestamp() < chosen[-1]["last"] + 7 * 86400,
            "handed_off": any(visit["people"] for visit in chosen),
            "reopened": again,
            "waits": [round((each["replied"] - each["start"]) * 1000) for each in chosen if each["replied"]],
            "cost": sum(turn["cost"] for visit in chosen for turn in visit["turns"]),
            "agent": agent,
            "people": people,
            "route": last["route"] if last else "",
            "model": ([""] + [turn["model"] for turn in every if turn["model"]])[-1],
            "intent": ([""] + [turn["intent"] for turn in every if turn["intent"]])[-1],
            "reasons": {REASONS[reason] for visit in chosen for reason in visit["reasons"]},
        }


# ── the log ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def open_log(folder: Path, events: Sequence[Envelope]) -> AsyncIterator[SqliteBus]:
    database = Database.open(folder / "parley.db")
    bus = SqliteBus(database)
    await bus.start()
    try:
        await bus.create_topics(topics.topic_specs(CHANNELS, partitions=3, small=3))
        for begin in range(0, len(events), 5000):
            await bus.append(events[begin : begin + 5000])
        yield bus
    finally:
        await bus.close()
        await database.close()


async def count(folder: Path, events: Sequence[Envelope]) -> dict[str, Any]:
    """The product's figures of a log with these events."""
    async with open_log(folder, events) as bus:
        with open_conversation_grouping(folder / "exports") as grouping:
            sources = [*map(topics.inbound, CHANNELS), topics.EVENTS]
            await grouping.gather(bus, "shop", sources, TIMELINE_TYPES)
            found = await assess_all(grouping, PERIOD)
    rows: dict[str, Any] = {by: {row.key: row.model_dump() for row in build_rows(found, by)} for by in DIMENSIONS}
    return rows | {"reasons": {each.reason: each.conversations for each in list_handoff_reasons(found)}}


@pytest.mark.timeout(300)
async def test_the_figures_equal_a_recount(tmp_path: Path) -> None:
    events = write_log()
    assert len(events) >= EVENTS
    expected = recount(events)
    assert expected["channel"].keys() == set(CHANNELS)
    # A process that is killed publishes again what it had published, later and beside other conversations.
    rng = random.Random(7)
    twice = sorted([*events, *rng.sample(events, EVENTS // 5)], key=lambda event: (event.time, rng.random()))
    assert await count(tmp_path, twice) == expected
