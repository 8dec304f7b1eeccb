"""The budget table, measured.

python -m tests.bench [--only ROW …] [--quick] [--out FOLDER] [--against FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import structlog

from tests.bench import machine
from tests.bench.chart import chart
from tests.bench.figures import Row, find_regressions
from tests.bench.setup import stage

ROWS = (
    "shop",
    "echo",
    "edge",
    "slack",
    "worker",
    "encryption",
    "latency",
    "agent",
    "waiting_conversations",
    "edits",
    "retrieval",
    "passages",
    "many_tenants",
    "sockets",
    "whatsapp",
    "connectors",
    "suites",
)
UNASKED = tuple(row for row in ROWS if row != "suites")
"""``suites`` runs the whole test suite, so only who names it gets it."""


async def run(names: tuple[str, ...], folder: Path, *, quick: bool) -> list[Row]:
    rows: list[Row] = []
    for name in names:
        begun = time.monotonic()
        async with stage(folder / name, quick=quick) as here:
            here.folder.mkdir(parents=True, exist_ok=True)
            for row in await importlib.import_module(f"tests.bench.{name}").measure(here):
                print(row, flush=True)
                for what, value in row.detail.items():
                    print(f"    {what}: {value}", flush=True)
                rows.append(row)
        print(f"    ({name} took {time.monotonic() - begun:.0f} s)", flush=True)
    return rows


def merge_report(path: Path, rows: list[Row], about: dict[str, Any], *, whole: bool) -> dict[str, Any]:
    """The report: with rows of an earlier one where this run did not measure them."""
    known = {} if whole or not path.exists() else {row["name"]: row for row in json.loads(path.read_text())["rows"]}
    known |= {row.name: {**row.as_json(), "about": about} for row in rows}
    return {"about": about, "rows": list(known.values())}


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the performance budgets.")
    parser.add_argument("--only", action="append", choices=ROWS, help="a row; may be repeated")
    parser.add_argument("--quick", action="store_true", help="a few operations a row, to see that it works")
    parser.add_argument("--out", type=Path, default=Path("build/bench"), help="folder for bench.json and bench.svg")
    parser.add_argument("--against", type=Path, help="a bench.json: fail if a ratio is 15 %% worse than there")
    options = parser.parse_args()
    # Read first: it may be the file that this run writes.
    earlier = json.loads(options.against.read_text())["rows"] if options.against else []
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    machine.raise_file_limit()
    about = machine.describe_machine()
    print(" ".join(f"{name}: {value}" for name, value in about.items()), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        rows = asyncio.run(run(tuple(options.only or UNASKED), Path(folder), quick=options.quick))
    about["load after"] = machine.describe_machine()["load"]
    options.out.mkdir(parents=True, exist_ok=True)
    report = merge_report(options.out / "bench.json", rows, about, whole=not options.only)
    (options.out / "bench.json").write_text(json.dumps(report, indent=1) + "\n")
    (options.out / "bench.svg").write_text(chart(report["rows"]))
    print(f"written: {options.out}/bench.json, {options.out}/bench.svg", flush=True)
    missed = [row.name for row in rows if row.met is False]
    print(f"{len(rows) - len(missed)} of {len(rows)} rows within budget" + (f"; missed: {missed}" if missed else ""))
    regressions = find_regressions(rows, earlier)
    if regressions:
        print("\n".join(["measured once more, because of", *regressions]), flush=True)
        suspects = tuple(dict.fromkeys(sentence.split()[0] for sentence in regressions).keys() & set(ROWS))
        with tempfile.TemporaryDirectory() as folder:
            again = asyncio.run(run(suspects, Path(folder), quick=options.quick))
        named = {sentence.partition(":")[0] for sentence in regressions}
        regressions = [each for each in find_regressions(again, earlier) if each.partition(":")[0] in named]
    for sentence in regressions:
        print(f"REGRESSION {sentence}")
    return 1 if regressions else 0


if __name__ == "__main__":
    sys.exit(main())
