"""What a conversation that went wrong went through: what its vendor and Slack saw, what is on record, what the log
says. It is written beside the logs of the processes, which an operator keeps with ``--keep``."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from gateway.config import load
from gateway.engines import open_engine, specs
from schemas.envelope import Envelope
from tests.platforms.slack.said import words
from tests.platforms.slack.workspace import Post
from tests.scenarios.desk.play import Case
from tests.scenarios.stage import TENANT, Stage

LONGEST = 600
"""Characters of one record."""


async def seen(stage: Stage, case: Case, error: BaseException) -> str:
    """While all is still there; the processes may be dead."""
    parts = {
        "what went wrong": traceback.format_exception(error),
        "what should be on the screen": [repr(line) for line in case.lines],
        "the screen": [f"{_wall(each.at)} {each.text[:LONGEST]!r}" for each in case.talk.screen],
        "what was announced": list(_announced(case)),
        "cards": [_told(post) for post in case.floor.room.top() if post.author is case.floor.slack.bot],
        "its thread": [_told(post) for post in (case.floor.thread if case.floor.has_card else [])],
        "what is on record": [await _record(stage, case, each) for each in _names(case)],
    }
    return "\n\n".join(f"── {title} ──\n" + "\n".join(lines) for title, lines in parts.items())


async def logged(stage: Stage, case: Case) -> str:
    """Everything on the bus, in the order of its time. Embedded, only while the one process is not running."""
    config, names = load(stage.installation.config), set(_names(case))
    found: list[Envelope] = []
    async with open_engine(config, config.data_path) as engine:
        for spec in specs(config):
            records = await engine.bus.read(spec.name, keys=lambda key: key in names)
            found += [Envelope.from_wire(each.headers, each.value) async for each in records if each.value]
    found.sort(key=lambda each: each.time)
    lines = [f"{each.time:%H:%M:%S.%f} {each.type} {each.id} {each.data!r}"[:LONGEST] for each in found]
    return "\n".join(["", "── the log ──", *lines, ""])


def _names(case: Case) -> list[str]:
    """What its conversation may be called."""
    return case.talk.customers.conversations(TENANT, case.talk.person)


async def _record(stage: Stage, case: Case, conversation: str) -> str:
    try:
        found = await stage.installation.admin("GET", f"conversations/{conversation}", ok=False)
    except Exception as error:  # whoever tells may be dead
        found = repr(error)
    return f"{conversation}: {json.dumps(found, indent=1)}"


def _announced(case: Case) -> Iterator[str]:
    """Each webhook or event about this person, and what became of it at each attempt."""
    vendor, person = case.talk.vendor, case.talk.vendor.place(case.talk.person)
    hooks: Any = getattr(vendor, "webhooks", None) or getattr(getattr(vendor, "graph", None), "webhooks", None)
    for parcel in hooks.postman.sent if hooks else ():
        if parcel.lane == person or person.encode() in parcel.body:
            yield f"{parcel.state} {parcel.outcomes} {parcel.body[:LONGEST]!r}"
    courier = getattr(vendor, "courier", None)
    for delivery in courier.log if courier else ():
        if person in str(delivery.payload):
            reasons = [each.reason or "heard" for each in delivery.outcomes]
            yield f"{delivery.state} {reasons} {str(delivery.payload)[:LONGEST]}"


def _told(post: Post) -> str:
    return f"{post.ts} {words(post.body)[:LONGEST]!r} {str(post.body.get('metadata', ''))[:LONGEST]}"


def _wall(at: float) -> str:
    return f"{datetime.fromtimestamp(time.time() - time.monotonic() + at, UTC):%H:%M:%S.%f}"
