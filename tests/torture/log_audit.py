"""The final content of the log, read after everything has ended, and the verdict over all people."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas import topics
from schemas.ports import Bus
from tests.harness.checker import KINDS, Findings, check
from tests.harness.installation import Installation
from tests.torture.load import BRANDS
from tests.torture.writers import Person

SHOWN = 20
"""Violations of a kind that a report spells out."""


@dataclass
class Ledger:
    """``turns``: conversation → turn id → turn. ``replies``: conversation → ids on the outbound topic. ``copies``: how
    many records beyond the first there are of inbound events, turns and replies: at least once, made visible."""

    turns: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: defaultdict(dict))
    replies: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    given_up: list[str] = field(default_factory=list)
    copies: Counter[str] = field(default_factory=Counter)


async def read_ledger(parley: Installation) -> Ledger:
    """Of an installation that has been stopped; its servers run."""
    from gateway.config.loader import load
    from gateway.wiring.engines import open_engine

    config = load(parley.config)
    ledger = Ledger()
    async with open_engine(config, config.data_path) as engine:
        await _turns(engine.bus, ledger)
        await _replies(engine.bus, ledger)
        seen: set[str] = set()
        async for record in await engine.bus.read(topics.inbound("web")):
            _count(ledger, "inbound", record.headers["ce_id"], seen)
        async for record in await engine.bus.read(topics.DEADLETTER):
            body = json.loads(record.value or b"{}")
            ledger.given_up.append(f"{body['conversation_id']} {body['code']} {body['reason']} offset {body['offset']}")
    return ledger


async def _turns(bus: Bus, ledger: Ledger) -> None:
    seen: set[str] = set()
    async for record in await bus.read(topics.EVENTS):
        if record.headers["ce_type"] == topics.TURN_COMPLETED:
            turn = json.loads(record.value or b"{}")
            _count(ledger, "turns", turn["id"], seen)
            ledger.turns[record.key][turn["id"]] = turn


async def _replies(bus: Bus, ledger: Ledger) -> None:
    seen: set[str] = set()
    async for record in await bus.read(topics.outbound("web")):
        message = json.loads(record.value or b"{}")
        _count(ledger, "replies", message["id"], seen)
        ledger.replies[record.key].add(message["id"])


def _count(ledger: Ledger, what: str, id: str, seen: set[str]) -> None:
    ledger.copies[what] += id in seen
    seen.add(id)


def judge(people: Sequence[Person], transcripts: dict[str, list[dict[str, Any]]], ledger: Ledger) -> Findings:
    """``transcripts``: person's name → all lines that the person is shown in the end."""
    found = Findings()
    known = {person.conversation for person in people}
    for person in people:
        lines = transcripts[person.name]
        check(person, lines, list(ledger.turns[person.conversation].values()), found)
        _screens(person, lines, found)
        _brands(person, lines, found)
        _log(person, lines, ledger, found)
    strangers = (ledger.turns.keys() | ledger.replies.keys()) - known
    found.unexplained += [f"conversation {conversation} belongs to nobody" for conversation in strangers]
    found.unanswered += [f"given up: {what}" for what in ledger.given_up]
    return found


def _screens(person: Person, lines: list[dict[str, Any]], found: Findings) -> None:
    """What was shown meanwhile is what stands there in the end, under the same number."""
    for what in person.wrong:
        kind, _, text = what.partition(": ")
        getattr(found, kind).append(f"{person.name} {text}")
    now = {line["seq"]: line["id"] for line in lines}
    for seq, id in person.shown.items():
        if now.get(seq) != id:
            found.lost.append(f"{person.name} saw {id} as number {seq}, where now {now.get(seq)} stands")
    for sent in person.sent:
        if now.get(sent.seq) != sent.message_id:
            found.reordered.append(f"{person.name} {sent.client_msg_id} was acknowledged as number {sent.seq}")
    place = {line["id"]: line["seq"] for line in lines}
    for chain in person.chains:
        order = [place.get(id, 0) for id in chain]
        if order != sorted(order):
            found.reordered.append(f"{person.name} burst stands as {order}")


def _brands(person: Person, lines: list[dict[str, Any]], found: Findings) -> None:
    for line in lines:
        if line["author"]["kind"] == "system":
            found.unanswered.append(f"{person.name} got a fallback as number {line['seq']}")
        for tenant, brand in BRANDS.items():
            if tenant != person.tenant and brand in json.dumps(line):
                found.crossed.append(f"{person.name} of {person.tenant} reads of {brand} in number {line['seq']}")


def _log(person: Person, lines: list[dict[str, Any]], ledger: Ledger, found: Findings) -> None:
    """Turns handle what this person sent and nothing else; the outbound topic holds what is shown and nothing else."""
    sent = {one.message_id for one in person.sent}
    turns = ledger.turns[person.conversation].values()
    if strange := {id for turn in turns for id in turn["handled"]} - sent:
        found.unexplained.append(f"{person.name} turns handled {len(strange)} events that were never sent")
    shown = {line["id"] for line in lines if line["author"]["kind"] == "agent"}
    if unseen := ledger.replies[person.conversation] - shown:
        found.lost.append(f"{person.name} is not shown {len(unseen)} replies of the log")
    if unlogged := shown - ledger.replies[person.conversation]:
        found.unexplained.append(f"{person.name} is shown {len(unlogged)} replies that are not on the log")


def violations(found: Findings) -> dict[str, Any]:
    return {kind: {"count": len(getattr(found, kind)), "first": getattr(found, kind)[:SHOWN]} for kind in KINDS}
