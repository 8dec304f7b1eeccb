"""The simulated Slack as a process of its own, whose customers write as fast as they are answered.

python -m tests.bench.slack_customers PORT WEBHOOK PID WARM COUNT

WINDOW messages are unanswered at any time. Slack's rate limits are off, or only they would be measured. After WARM
messages, COUNT more are measured: one JSON line tells their seconds, and what process PID used for them.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass

from tests.bench.machine import processor_seconds, written_bytes
from tests.simulators.slack.server import SlackVendor

MODULE = "tests.bench.slack_customers"
SEED = 11
"""Of ids and secrets: whoever writes the configuration knows them without asking."""
CONTACTS = 600
WINDOW = 48
QUESTION = "Do you ship in winter?"
PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """``processor``: seconds; ``written``: bytes that reached the disk; ``wrong_screens``: customers who see another
    number of answers than they have written messages."""

    seconds: float
    processor: float
    written: int
    wrong_screens: int


def vendor_at(port: int) -> SlackVendor:
    vendor = SlackVendor(mode="http", seed=SEED)
    vendor.origin = f"http://127.0.0.1:{port}"
    vendor.limits.enforced = False
    return vendor


class Customers:
    """Write in turns, each when a message is answered."""

    def __init__(self, vendor: SlackVendor) -> None:
        self._vendor = vendor
        self._written = 0

    async def write(self, count: int) -> None:
        """Returns when all are answered."""
        shown, end = self._vendor.ledger.shown, self._written + count
        while self._written < end:
            await self._vendor.ledger.until(lambda: self._written - len(shown) < WINDOW, deadline=PATIENCE)
            await self._vendor.say(f"contact {self._written % CONTACTS}", QUESTION)
            self._written += 1
        await self._vendor.ledger.until(lambda: len(shown) >= end, deadline=PATIENCE)

    def count_wrong_screens(self) -> int:
        wrote = Counter(f"contact {number % CONTACTS}" for number in range(self._written))
        seen = Counter(shown.place for shown in self._vendor.ledger.shown)
        return sum(seen[self._vendor.place(name)] != times for name, times in wrote.items())


async def run(port: int, webhook: str, pid: int, warm: int, count: int) -> Outcome:
    vendor = vendor_at(port)
    vendor.call(webhook)
    customers = Customers(vendor)
    async with vendor.serving(port):
        await customers.write(warm)
        begun, processor, written = time.perf_counter(), processor_seconds(pid), written_bytes(pid)
        await customers.write(count)
        seconds = time.perf_counter() - begun
        processor, written = processor_seconds(pid) - processor, written_bytes(pid) - written
        await vendor.settled(deadline=PATIENCE)
        return Outcome(seconds, processor, written, customers.count_wrong_screens())


if __name__ == "__main__":
    port, webhook, *figures = sys.argv[1:]
    pid, warm, count = map(int, figures)
    print("RESULT " + json.dumps(asdict(asyncio.run(run(int(port), webhook, pid, warm, count)))))
