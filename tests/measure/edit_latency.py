"""Measures how soon an edit is searchable while another tenant imports documents.

    python -m tests.measure.edit_latency [DOCUMENTS] [--sentences]

One process with SQLite. A tenant imports DOCUMENTS (500) pages of the example shop's size; meanwhile another tenant's
price changes again and again, and each change is timed from the write until a search finds it. The same is timed before
the import, as a baseline. Prints both with their median and 95th percentile, and how many searches were stale.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from agent_worker.knowledge.vectors.encoder import light_encoder
from agent_worker.knowledge.vectors.onnx_encoder import open_folder
from infra.deploy import encoder
from tests.unit.agent_worker.worker_environment import SHIPPING, TENANT, WorkerEnvironment, world_at

HEAT = "Do you add a heat pack in winter?"
PAGES = Path("examples/plantstore/knowledge")


async def one_edit(world: WorkerEnvironment, number: int) -> tuple[float, bool]:
    """Seconds until the new price is found, and whether the turn's usual wait would have been too short."""
    price = f"{number % 90 + 5}.{number % 10}5 euro"
    began = time.monotonic()
    await world.put("shipping", SHIPPING.replace("4.50 euro", price))
    found = await world.library.search(TENANT, HEAT)
    stale = found.stale
    while price not in found.passages[0].text:
        found = await world.library.search(TENANT, HEAT, wait=5)
    return time.monotonic() - began, stale


def told(what: str, edits: list[tuple[float, bool]]) -> str:
    times = sorted(seconds for seconds, _ in edits)
    p95 = times[int(len(times) * 0.95)]
    stale = sum(stale for _, stale in edits)
    median = statistics.median(times)
    return f"{what}: {len(times)} edits, p50 {median * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms, marked stale {stale}"


async def measure(documents: int, sentences: bool, folder: Path) -> None:
    light = light_encoder()
    used = open_folder(encoder.encoder_dir(), light) if sentences and light is not None else light
    async with world_at(folder, encoder=lambda: used) as world:
        print(told("alone", [await one_edit(world, number) for number in range(20)]), flush=True)
        pages = [path.read_text() for path in sorted(PAGES.glob("*.md"))]
        for number in range(documents):
            await world.put(f"page-{number}", f"{pages[number % len(pages)]}\n\nPage {number}.", tenant="importer")
        edits: list[tuple[float, bool]] = []
        began = time.monotonic()
        while not await world.library.wait_until_indexed("importer", 0.01):
            edits.append(await one_edit(world, len(edits) + 100))
        print(told(f"beside an import of {documents} ({time.monotonic() - began:.0f} s)", edits), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("documents", type=int, nargs="?", default=500)
    parser.add_argument("--sentences", action="store_true", help="use the sentence encoder")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(given.documents, given.sentences, Path(folder)))


if __name__ == "__main__":
    main()
