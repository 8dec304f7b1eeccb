"""python -m tests.torture --engine embedded|scaled [--messages N] [--kills N] [--seed N] …

Prints its seed and plan, then a report in JSON; exit status 1 on any violation, and when its faults did not fire.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import sys
import tempfile
from pathlib import Path

from tests.harness.processes import ForkServer
from tests.torture import seeds
from tests.torture.plan import KINDS, Options
from tests.torture.report import Outcome
from tests.torture.run import torture


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description="Load, kills and bad weather.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--engine", choices=("embedded", "scaled"))
    what.add_argument("--replay", action="store_true", help="the runs of tests/torture/seeds.txt, one after the other")
    parser.add_argument("--messages", type=int, default=100_000, help="accepted at least (default 100000)")
    parser.add_argument("--kills", type=int, default=1_000, help="SIGKILLs of processes and servers (default 1000)")
    parser.add_argument("--seconds", type=float, default=7_200, help="longest load (default 7200)")
    parser.add_argument("--seed", type=int, default=None, help="repeat a run; random when left out")
    parser.add_argument("--faults", default=",".join(KINDS), help=f"of {','.join(KINDS)}, or none (default all)")
    parser.add_argument("--fault-count", type=int, default=None, help="default: half as many as kills")
    parser.add_argument("--people", type=int, default=60, help="who write at the same time (default 60)")
    parser.add_argument("--settle", type=float, default=90, help="seconds until all has come to rest (default 90)")
    parser.add_argument("--mutant", default="", help="a defect of tests/harness/mutants.py, to see it caught")
    parser.add_argument("--folder", type=Path, default=None, help="keep logs and data there")
    parser.add_argument("--report", type=Path, default=None, help="write the JSON there too")
    return parser.parse_args(arguments)


def options_of(given: argparse.Namespace) -> Options:
    kinds = () if given.faults == "none" else tuple(given.faults.split(","))
    if unknown := set(kinds) - set(KINDS):
        raise SystemExit(f"unknown faults: {', '.join(sorted(unknown))}")
    count = given.fault_count if given.fault_count is not None else max(len(kinds), given.kills // 2)
    return Options(
        engine=given.engine,
        messages=given.messages,
        kills=given.kills,
        seed=given.seed if given.seed is not None else random.SystemRandom().randrange(2**32),
        seconds=given.seconds,
        faults=count if kinds else 0,
        kinds=kinds,
        people=given.people,
        mutant=given.mutant,
        settle=given.settle,
    )


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


async def run(options: Options, folder: Path) -> Outcome:
    fork_server = ForkServer()
    await fork_server.start()
    try:
        return await torture(options, folder, fork_server, say)
    finally:
        await fork_server.close()


def one(options: Options, folder: Path | None, file: Path | None) -> bool:
    """One run with its report; whether it passed. The folder is deleted when it is ours and nothing is to be seen."""
    place = folder or Path(tempfile.mkdtemp(prefix="parley-torture-"))
    place.mkdir(parents=True, exist_ok=True)
    outcome = asyncio.run(run(options, place))
    report = json.dumps(outcome.as_json(), indent=1)
    print(report, flush=True)
    if file:
        file.write_text(report + "\n")
    if outcome.found.faults and not options.mutant:
        seeds.keep(options, outcome.found.faults[0][:60])
    if outcome.passed and folder is None:
        shutil.rmtree(place, ignore_errors=True)
    else:
        say(f"logs and data: {place}")
    return outcome.passed


def main(arguments: list[str]) -> int:
    given = parsed(arguments)
    if given.replay:
        passed = [one(options, None, None) for options in seeds.kept()]
        return int(not all(passed))
    return int(not one(options_of(given), given.folder, given.report))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
