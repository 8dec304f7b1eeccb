"""Measures how fast recorded conversations are replayed, and how many bytes their recordings take on the log.

python -m tests.measure.replayed_turns [conversations] [embedded | scaled]

The conversations are of thirteen kinds on five channels, with actions, handoffs and files. Prints, asserts nothing.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from connectors.registry import CHANNELS
from infra.deploy import servers
from infra.telemetry import set_up_logging
from schemas import topics
from tests.unit.agent_worker.learning.log_reading import replay_log
from tests.unit.agent_worker.learning.recorded_conversations import RecordedShop, open_recorded_shop
from tests.unit.agent_worker.worker_environment import TENANT

NEW = (topics.TURN_RECORDED, topics.PASSAGE_RETRIEVED)


async def measure_bytes(shop: RecordedShop) -> Counter[str]:
    """Bytes on the log, by event type."""
    found = Counter[str]()
    names = [name(channel) for channel in CHANNELS for name in (topics.inbound, topics.outbound)]
    for topic in (*names, topics.EVENTS, topics.STATE):
        async for record in await shop.bus.read(topic):
            found[record.headers["ce_type"]] += record.size
    return found


async def main(conversations: int, kafka: str = "", redis: str = "") -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with open_recorded_shop(Path(folder), kafka, redis) as shop:
            await shop.hold(conversations)
            began, worked = time.perf_counter(), time.process_time()
            turns = await replay_log(shop.bus, TENANT, [*CHANNELS], knowledge=shop.library, settings=shop.settings)
            took, work = time.perf_counter() - began, time.process_time() - worked
            sizes = await measure_bytes(shop)
    same = sum(turn.same and turn.before == turn.after for turn in turns)
    print(f"{conversations} conversations, {len(turns)} turns: {same} with the same bytes")
    print(f"{len(turns) / took:.0f} turns/s, {len(turns) / work:.0f} per second of processor time")
    more = sum(sizes[name] for name in NEW)
    before = sizes.total() - more
    print(f"{before / len(turns):.0f} bytes per turn without recordings, {more / before:.1%} more with them")


if __name__ == "__main__":
    set_up_logging(human=True, level="error")
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    if "scaled" in sys.argv:
        with servers.kafka() as kafka, servers.redis() as redis:
            asyncio.run(main(count, kafka, redis))
    else:
        asyncio.run(main(count))
