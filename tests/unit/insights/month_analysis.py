"""Writes a month to a log and analyzes it as an instance does. Prints the report, the planted patterns, and the time
and memory that the analysis took, as JSON."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

from agent_worker.learning.insights.timeline import TIMELINE_TYPES
from gateway.insights.insight_reader import analyze_in_process
from gateway.insights.timelines import Period
from gateway.training_export.conversation_grouping import open_conversation_grouping
from infra.bus.sqlite import SqliteBus
from infra.database import Database
from schemas import topics
from tests.unit.insights.log_writer import START
from tests.unit.insights.month import CHANNELS, DAYS, Month

PERIOD = Period(START, START + timedelta(days=DAYS), START + timedelta(days=DAYS))


async def write_and_analyze(month: Month, folder: Path) -> dict[str, object]:
    database = Database.open(folder / "parley.db")
    bus = SqliteBus(database)
    await bus.start()
    try:
        await bus.create_topics(topics.topic_specs(sorted(set(CHANNELS)), partitions=3, small=3))
        events = [event for talk in month.write() for event in talk]
        for begin in range(0, len(events), 5000):
            await bus.append(events[begin : begin + 5000])
        with open_conversation_grouping(folder / "exports") as grouping:
            sources = [*map(topics.inbound, sorted(set(CHANNELS))), topics.EVENTS]
            await grouping.gather(bus, "shop", sources, TIMELINE_TYPES)
            report = await analyze_in_process(grouping, PERIOD)
    finally:
        await bus.close()
        await database.close()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "report": report.model_dump(mode="json"),
        "patterns": [asdict(pattern) | {"conversations": sorted(pattern.conversations)} for pattern in month.patterns],
        "seconds": used.ru_utime + used.ru_stime,
        "megabytes": used.ru_maxrss // 1024,
    }


if __name__ == "__main__":
    texts, seed, conversations, folder = sys.argv[1:]
    result = asyncio.run(write_and_analyze(Month(texts, int(seed), int(conversations)), Path(folder)))
    print(json.dumps(result))
