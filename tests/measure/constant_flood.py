"""A flood that does not end: keeps so many messages waiting on one inbound topic, until it is killed.

python -m tests.measure.constant_flood PORT CONFIG TENANT CHANNEL ACCOUNT FIRST

Each conversation gets two messages; FIRST is the number of the first one. Prints JSON lines: how many were handled,
and, once half of those that are to wait do, ``waiting``. Both are read off the offsets that the workers have committed,
because to read what they wrote would take more of the machine than the flood itself.
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
from schemas.envelope import Envelope
from tests.faults.flood import flood

WAITING = 2_000
AT_ONCE = 100
EACH = 2
LOOK_EVERY_S = 0.2


class ConstantFlood:
    def __init__(self, bus: KafkaBus, tenant: str, channel: str, account: str, first: int) -> None:
        self._bus = bus
        self._tenant = tenant
        self._channel = channel
        self._account = account
        self._next = first
        self._said = 0

    async def pour(self) -> None:
        topic, group = topics.inbound(self._channel), topics.worker_group(self._channel)
        while True:
            waiting = (await self._bus.lag(group, [topic]))[topic]
            told = {"handled": self._said - waiting}
            print("TOLD " + json.dumps(told | ({"waiting": waiting} if waiting >= WAITING // 2 else {})), flush=True)
            for _ in range(0, WAITING - waiting, AT_ONCE):
                await self._bus.append(self._some(), topic=topic)
            await asyncio.sleep(LOOK_EVERY_S)

    def _some(self) -> list[Envelope]:
        conversations = AT_ONCE // EACH
        some = flood(
            self._tenant,
            conversations=conversations,
            each=EACH,
            first=self._next,
            channel=self._channel,
            account=self._account,
        )
        self._next += conversations
        self._said += len(some)
        return some


def read_last_report(log: Path) -> dict[str, Any]:
    """The last thing that a torrent has printed."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("TOLD ")]
    found: dict[str, Any] = json.loads(lines[-1].removeprefix("TOLD ")) if lines else {}
    return found


async def main(config: Path, tenant: str, channel: str, account: str, first: str) -> None:
    settings = yaml.safe_load(config.read_text())
    bus = KafkaBus(settings["bus"].removeprefix("kafka://"), prefix=settings["topic_prefix"])
    await bus.start()
    await ConstantFlood(bus, tenant, channel, account, int(first)).pour()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[2]), *sys.argv[3:]))
