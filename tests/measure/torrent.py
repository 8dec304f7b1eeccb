"""A flood that does not end: keeps so many messages of one tenant waiting on the log, until it is killed.

python -m tests.measure.torrent PORT CONFIG

Each conversation gets two messages. Prints a JSON line a second: how many were handled, and, once as many wait as
are to, ``waiting``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import yaml

from infra.bus.kafka import KafkaBus
from schemas import topics
from tests.faults.flood import flood

LOUD = "bookshop"
WAITING = 4_000
AT_ONCE = 200
EACH = 2


class Torrent:
    def __init__(self, bus: KafkaBus) -> None:
        self._bus = bus
        self._said: set[str] = set()
        self._rounds = 0
        self._handled = 0

    async def pour(self) -> None:
        while True:
            if len(self._said) >= WAITING:
                self._tell(waiting=len(self._said))
                await asyncio.sleep(0.05)
                continue
            some = flood(LOUD, conversations=AT_ONCE // EACH, each=EACH, first=self._rounds * AT_ONCE)
            self._rounds += 1
            self._said.update(one.id for one in some)
            await self._bus.append(some, topic=topics.inbound("web"))

    async def count(self) -> None:
        follower = await self._bus.follow(topics.EVENTS)
        async for record in follower.records():
            if record.headers["ce_type"] == topics.TURN_COMPLETED and record.headers["ce_tenant"] == LOUD:
                mine = self._said.intersection(json.loads(record.value or b"{}")["handled"])
                self._said -= mine
                self._handled += len(mine)

    def _tell(self, **more: int) -> None:
        print("TOLD " + json.dumps({"handled": self._handled, **more}), flush=True)


def told(log: Path) -> dict[str, Any]:
    """The last thing that a torrent has printed."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("TOLD ")]
    found: dict[str, Any] = json.loads(lines[-1].removeprefix("TOLD ")) if lines else {}
    return found


async def main(config: Path) -> None:
    settings = yaml.safe_load(config.read_text())
    bus = KafkaBus(settings["bus"].removeprefix("kafka://"), prefix=settings["topic_prefix"])
    await bus.start()
    torrent = Torrent(bus)
    await asyncio.gather(torrent.pour(), torrent.count())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[2])))
