"""The simulated Meta as a process of its own, whose customers write at a steady rate.

python -m tests.bench.meta_customers PORT WEBHOOK PER_SECOND SECONDS WARM CONTACTS [TEXT …]

The texts are written in turns. Every answer comes back as ``sent``, ``delivered`` and ``read``, each a signed webhook.
When all are answered and all webhooks are heard, one JSON line tells how it went after the first WARM seconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.bench.figures import quantile
from tests.simulators.meta import Graph, WhatsApp
from tests.simulators.vendor_clock import Bucket, VendorClock
from tests.simulators.webhook_delivery import Outcome, Webhook, WebhookDelivery

MODULE = "tests.bench.meta_customers"
SEED = 7
"""Of ids and secrets: whoever writes the configuration knows them without asking."""
QUESTION = "Do you ship in winter?"
UPGRADED = 1000
"""Messages a second that a number may send after Meta has raised it from 80."""
AGAIN = 0.5
PATIENCE = 120.0


def vendor_at(port: int) -> WhatsApp:
    graph = Graph(pace=VendorClock(scale=1.0), seed=SEED)
    graph.port = port
    vendor = WhatsApp(graph)
    vendor.number.throughput = Bucket(UPGRADED, 1 / UPGRADED, graph.pace.now)
    vendor.statuses = ("sent", "delivered", "read")
    return vendor


@dataclass
class WebhookTimes:
    """What became of the webhooks. ``taken``: when each left, and seconds until its answer."""

    taken: list[tuple[float, float]] = field(default_factory=list)
    outcomes: Counter[Outcome] = field(default_factory=Counter)

    def webhook_sender(self, pace: VendorClock) -> WebhookDelivery:
        book = self

        class Timing(WebhookDelivery):
            async def _attempt(self, parcel: Webhook) -> Outcome:
                begun = time.perf_counter()
                outcome = await super()._attempt(parcel)
                book.taken.append((begun, time.perf_counter() - begun))
                book.outcomes[outcome] += 1
                return outcome

        return Timing(pace, lambda parcel: None if parcel.outcomes[-1] == 200 else AGAIN)


async def write(
    vendor: WhatsApp, count: int, per_second: float, contacts: int, texts: Sequence[str] = (QUESTION,)
) -> list[float]:
    """One message after the other, each when it is due; by how many seconds each was late."""
    late, begun = [], time.perf_counter()
    for number in range(count):
        due = begun + number / per_second
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        late.append(time.perf_counter() - due)
        await vendor.say(f"contact {number % contacts}", texts[number % len(texts)])
    return late


async def run(
    port: int, webhook: str, per_second: float, seconds: float, warm: float, contacts: int, *texts: str
) -> dict[str, Any]:
    vendor, book = vendor_at(port), WebhookTimes()
    vendor.graph.webhooks.webhook_sender = book.webhook_sender(vendor.graph.pace)
    vendor.call(webhook)
    count = int((warm + seconds) * per_second)
    async with vendor.serving(port):
        begun = time.perf_counter()
        late = await write(vendor, count, per_second, contacts, texts or (QUESTION,))
        wrote = time.perf_counter()
        await vendor.ledger.until(lambda: len(vendor.ledger.shown) >= count, deadline=PATIENCE)
        answered = time.perf_counter()
        await vendor.settled(deadline=PATIENCE)
    kept = [taken for left, taken in book.taken if left - begun >= warm]
    during = sum(warm <= left - begun and left < wrote for left, _ in book.taken)
    return {
        "latencies_ms": [round(taken * 1000, 3) for taken in sorted(kept)],
        "webhooks_per_s": during / (wrote - begun - warm),
        "outcomes": {str(outcome): times for outcome, times in book.outcomes.items()},
        "unanswered_or_twice": wrong_screens(vendor, count, contacts),
        "answered_after_the_last_s": round(answered - wrote, 2),
        "written_late_p99_ms": round(quantile(late, 0.99) * 1000, 1),
        "waits_ms": waits(vendor, warm + begun),
    }


def wrong_screens(vendor: WhatsApp, count: int, contacts: int) -> int:
    """Contacts who see another number of answers than they have written messages."""
    wrote = Counter(f"contact {number % contacts}" for number in range(count))
    seen = Counter(shown.place for shown in vendor.ledger.shown)
    return sum(seen[vendor.place(name)] != times for name, times in wrote.items())


def waits(vendor: WhatsApp, since: float) -> dict[str, float]:
    """From a message to its visible answer, of the messages after ``since``."""
    shift = time.time() - time.perf_counter()
    wrote: dict[str, list[float]] = {}
    for message in vendor.messages.values():
        if not message.outbound:
            wrote.setdefault(message.customer.place, []).append(message.at - shift)
    taken, nth = [], Counter[str]()
    for shown in vendor.ledger.shown:
        asked = wrote[shown.place]
        if nth[shown.place] < len(asked) and asked[nth[shown.place]] >= since:
            taken.append((shown.at - asked[nth[shown.place]]) * 1000)
        nth[shown.place] += 1
    return {"p50": round(quantile(taken, 0.5), 1), "p99": round(quantile(taken, 0.99), 1)} if taken else {}


if __name__ == "__main__":
    per_second, seconds, warm = map(float, sys.argv[3:6])
    contacts, texts = int(sys.argv[6]), sys.argv[7:]
    said = asyncio.run(run(int(sys.argv[1]), sys.argv[2], per_second, seconds, warm, contacts, *texts))
    print("RESULT " + json.dumps(said))
