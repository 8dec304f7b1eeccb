"""Measures each hop of an answer from the records on the log, without touching Parley."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import yaml

from infra.bus.kafka import KafkaBus
from schemas import topics
from schemas.ports import Record
from tests.harness.installation import Installation

Hops = dict[str, list[float]]


def bus_of(parley: Installation) -> KafkaBus:
    settings = yaml.safe_load(parley.config.read_text())
    return KafkaBus(settings["bus"].removeprefix("kafka://"), prefix=settings["topic_prefix"])


async def done(parley: Installation, group: str, channel: str) -> None:
    """Until this group has done everything on the channel."""
    topic = topics.outbound(channel) if group == "sender" else topics.inbound(channel)
    bus = bus_of(parley)
    await bus.start()
    try:
        while True:
            if not any((await bus.lag(f"parley.{group}.{channel}", [topic])).values()):
                return
            await asyncio.sleep(0.2)
    finally:
        await bus.close()


async def of(parley: Installation, conversation: str, sent: Mapping[str, float], seen: Mapping[str, float]) -> Hops:
    """Seconds of each hop, by its name, for the messages in ``sent`` (moments) and ``seen`` (seconds until then)."""
    bus = bus_of(parley)
    await bus.start()
    try:
        inbound, outbound, events = [
            [record async for record in await bus.read(topic, keys=lambda key: key == conversation)]
            for topic in (topics.inbound("web"), topics.outbound("web"), topics.EVENTS)
        ]
    finally:
        await bus.close()
    appended = {record.headers["ce_id"]: record.timestamp_ms / 1000 for record in inbound}
    replied = {_told(record)["id"]: record.timestamp_ms / 1000 for record in outbound}
    turns = [_told(record) for record in events if record.headers["ce_type"] == topics.TURN_COMPLETED]
    shown = {
        _told(record)["message_id"]: _moment(_told(record)["at"])
        for record in events
        if record.headers["ce_type"] == topics.DELIVERY_RECORDED
    }
    hops: Hops = {}
    for turn in turns:
        question, reply = turn["handled"][-1], turn["replies"][0]["id"]
        if question not in seen or reply not in shown:
            continue
        ended, stages = _moment(turn["at"]), {name: ms / 1000 for name, ms in turn["stages"].items()}
        took = {
            "sent → appended by the edge": appended[question] - sent[question],
            "appended → turn ends, without its stages": ended - appended[question] - sum(stages.values()),
            **{f"stage {name}": seconds for name, seconds in stages.items()},
            "commit, snapshot": replied[reply] - ended,
            "reply appended → sent": shown[reply] - replied[reply],
            "sent → seen": sent[question] + seen[question] - shown[reply],
        }
        for hop, seconds in took.items():
            hops.setdefault(hop, []).append(seconds)
    return hops


def _told(record: Record) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(record.value or b"{}")
    return found


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
