"""Evidence of a failed case, as it was at that moment. It is kept under ``reports/scenarios``, a folder for each case,
because what fails once in a thousand on a busy machine may not fail again for whoever looks for it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from gateway.config.loader import load
from gateway.wiring.engines import open_engine, required_topics
from schemas.envelope import Envelope
from tests.harness.processes import ROOT
from tests.harness.task_dump import ASK, TOLD
from tests.scenarios.customer_conversation import CustomerConversation
from tests.scenarios.scenario_installation import TENANT, ScenarioInstallation
from tests.simulators.slack.event_delivery import Delivery, EventDelivery

FOLDER = ROOT / "reports" / "scenarios" / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}"
"""Of this run."""
LONGEST = 600
"""Characters of one record."""
REQUESTS = 2000
"""Of the latest that the vendor got."""


class Evidence:
    """Of the cases of one stage; what is on its bus is added at last."""

    def __init__(self, stage: ScenarioInstallation, folder: Path = FOLDER) -> None:
        self._stage = stage
        self._folder = folder
        self._kept: list[CustomerConversation] = []
        stage.at_last.append(self._finish)

    async def keep(self, talk: CustomerConversation, error: BaseException) -> Path:
        """Where it is. What cannot be had is said there, and hides no failure."""
        folder = self._folder / talk.person
        folder.mkdir(parents=True, exist_ok=True)
        self._kept.append(talk)
        parts = {
            "what went wrong": [f"load {os.getloadavg()}", *traceback.format_exception(error)],
            "what was said": [repr(text) for text in talk.said],
            "the screen": [f"{wall(each.at)} {each.text[:LONGEST]!r}" for each in talk.screen],
            "what was announced": list(describe_webhooks(talk)),
            "the vendor's sockets": _sockets(talk),
            "what the vendor was asked": _requests(talk),
            "what is on record": [await record(self._stage, each) for each in names(talk)],
        }
        (folder / "told.txt").write_text(_text(parts))
        for role in self._stage.installation.roles:
            await self._ask(role, folder)
        return folder

    async def _finish(self) -> None:
        """The bus can be read now, also where the one process keeps it to itself."""
        for talk in self._kept:
            try:
                told = await describe_log(self._stage, talk)
            except Exception as error:
                told = repr(error)
            with (self._folder / talk.person / "told.txt").open("a") as file:
                file.write(told)

    async def _ask(self, role: str, folder: Path) -> None:
        """A process: its metrics, what its tasks wait for, its log."""
        process = self._stage.installation.roles[role]
        (folder / f"{role}-metrics.txt").write_text(await _page(f"http://127.0.0.1:{process.port}/metrics"))
        if process.alive:
            before = process.log.stat().st_size
            os.kill(process.pid, ASK)
            await _until_told(process.log, before)
        shutil.copy(process.log, folder / f"{role}.log")


async def _page(url: str) -> str:
    try:
        async with aiohttp.ClientSession() as http, asyncio.timeout(10), http.get(url) as answer:
            return await answer.text()
    except (aiohttp.ClientError, TimeoutError) as error:
        return repr(error)


async def _until_told(log: Path, before: int) -> None:
    """A process that is stuck says nothing: that, too, is to be seen in its log."""
    for _ in range(100):
        with log.open("rb") as file:
            file.seek(before)
            if TOLD.encode() in file.read():
                return
        await asyncio.sleep(0.1)


def names(talk: CustomerConversation) -> list[str]:
    """What its conversation may be called."""
    return talk.customers.conversations(TENANT, talk.person)


async def record(stage: ScenarioInstallation, conversation: str) -> str:
    try:
        async with asyncio.timeout(10):
            found = await stage.installation.admin("GET", f"conversations/{conversation}", ok=False)
    except Exception as error:  # whoever tells may be dead
        found = repr(error)
    return f"{conversation}: {json.dumps(found, indent=1)}"


async def describe_log(stage: ScenarioInstallation, talk: CustomerConversation) -> str:
    """Everything on the bus, in the order of its time. Embedded, only while the one process is not running."""
    config, wanted = load(stage.installation.config), set(names(talk))
    found: list[Envelope] = []
    async with open_engine(config, config.data_path) as engine:
        for spec in required_topics(config):
            records = await engine.bus.read(spec.name, keys=lambda key: key in wanted)
            found += [Envelope.from_wire(each.headers, each.value) async for each in records if each.value]
    found.sort(key=lambda each: each.time)
    lines = [f"{each.time:%H:%M:%S.%f} {each.type} {each.id} {each.data!r}"[:LONGEST] for each in found]
    return "\n".join(["", "── the log ──", *lines, ""])


def describe_webhooks(talk: CustomerConversation) -> Iterator[str]:
    """Each webhook or event about this person, and what became of it at each attempt."""
    vendor, person = talk.vendor, talk.vendor.place(talk.person)
    hooks: Any = getattr(vendor, "webhooks", None) or getattr(getattr(vendor, "graph", None), "webhooks", None)
    for parcel in hooks.webhook_sender.sent if hooks else ():
        if parcel.lane == person or person.encode() in parcel.body:
            yield f"{parcel.state} {parcel.outcomes} {parcel.body[:LONGEST]!r}"
    event_delivery: EventDelivery | None = getattr(vendor, "event_delivery", None)
    for delivery in event_delivery.log if event_delivery else ():
        if person in str(delivery.payload):
            yield _delivery(delivery)


def _delivery(delivery: Delivery) -> str:
    tried = [f"{wall(each.at)} {each.reason or 'heard'}" for each in delivery.outcomes]
    return f"{wall(delivery.at)} {delivery.state} {tried} {str(delivery.payload)[:LONGEST]}"


def _sockets(talk: CustomerConversation) -> list[str]:
    """Of all people: whose event was lost is told by the others' that were not."""
    sockets = getattr(talk.vendor, "sockets", None)
    return [f"{wall(at)} {what}" for at, what in sockets.story] if sockets else []


def _requests(talk: CustomerConversation) -> list[str]:
    return [
        f"{wall(each.at)} {each.operation} {each.status}{'' if each.did else ' (not done)'} {str(each.body)[:LONGEST]}"
        for each in talk.vendor.ledger.requests[-REQUESTS:]
    ]


def _text(parts: dict[str, list[str]]) -> str:
    return "\n\n".join(f"── {title} ──\n" + "\n".join(lines) for title, lines in parts.items()) + "\n"


def wall(at: float) -> str:
    return f"{datetime.fromtimestamp(time.time() - time.monotonic() + at, UTC):%H:%M:%S.%f}"
