"""python -m tests.scenarios matrix --engine embedded|scaled
python -m tests.scenarios kills --engine embedded|scaled [--count 250] [--seed N]
python -m tests.scenarios fault-kills --engine embedded|scaled [--count 250] [--seed N]
python -m tests.scenarios desk-kills --engine embedded|scaled [--desk slack|webhook] [--count 250] [--seed N]
                                     [--keep FOLDER]
python -m tests.scenarios desk-outage --engine embedded|scaled [--minutes 10] [--seed N]

Every scenario on every channel; so many kills of the sender over all channels, the same while the vendors fail, or of
any process while people have conversations; or Slack away for so many minutes while customers are handed over to people
there. A report in JSON, and exit status 1 when anything was not as it should be. What a conversation that went wrong
went through is in the folder then, beside the logs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from infra.deploy import servers
from tests.harness.processes import ForkServer
from tests.scenarios.channel_scenarios import NOT_YET
from tests.scenarios.desk import desk_installations
from tests.scenarios.desk.desk_conversations import DeskConversations, endings, ratings
from tests.scenarios.desk.kills import DeskKills
from tests.scenarios.desk.outage import Outage
from tests.scenarios.kills import SenderKills
from tests.scenarios.kills_during_faults import KillsDuringFaults
from tests.scenarios.matrix import Matrix
from tests.scenarios.matrix_cells import every, impossible
from tests.scenarios.scenario_installation import MATRIX, ScenarioInstallation, ScenarioSettings, stage_of


@asynccontextmanager
async def stage(
    engine: str, seed: int, scene: ScenarioSettings = MATRIX, keep: Path | None = None
) -> AsyncIterator[ScenarioInstallation]:
    async with AsyncExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="parley-scenarios-")))
        addresses: dict[str, str] = {}
        if engine == "scaled":
            addresses = {"kafka": stack.enter_context(servers.kafka()), "redis": stack.enter_context(servers.redis())}
            addresses["prefix"] = f"scenarios-{seed}-{len(scene.env)}."
        fork_server = ForkServer()
        await fork_server.start()
        stack.push_async_callback(fork_server.close)
        yield await stack.enter_async_context(stage_of(fork_server, folder, scene, **addresses))


async def matrix(engine: str, seed: int) -> bool:
    async with stage(engine, seed) as there:
        played = Matrix(there, every())
        await played.finished
        wrong = {"-".join(cell): str(error) for cell, one in played.played.items() if (error := one.done.exception())}
        late = await played.unrest()
    for name in desk_installations.DESKS:
        wrong |= {f"{name}-{about}": said for about, said in (await desk(engine, seed, name)).items()}
    report = {
        "engine": engine,
        "played": len(played.played),
        "wrong": wrong,
        "came_afterwards": late,
        "cannot_happen": {"-".join(cell): reason for cell, reason in impossible().items()},
        "not_yet": {name: reason for name, (_, reason) in NOT_YET.items()},
    }
    print(json.dumps(report, indent=1), flush=True)
    return not wrong and not late


async def desk(engine: str, seed: int, name: str) -> dict[str, str]:
    """What went wrong where people take over."""
    async with stage(engine, seed, desk_installations.DESKS[name]) as there:
        cast = DeskConversations(there, [kind.name() for kind in desk_installations.KINDS])
        log = await cast.log()
        wrong = {case.talk.person: str(error) for case in cast.all() if (error := cast.error(case))}
        told = {name: (endings(log, case), ratings(log, case)) for name, case in cast.cases.items()}
        figures = ([(1, "returned"), (2, "resolved")], [4])
        return wrong | {f"log-{name}": str(said) for name, said in told.items() if said != figures}


async def kills(engine: str, seed: int, count: int) -> bool:
    async with stage(engine, seed) as there:
        kill_report = await SenderKills(there, seed, lambda line: print(line, file=sys.stderr, flush=True)).run(count)
    print(kill_report.as_json(), flush=True)
    return not kill_report.wrong and kill_report.kills.total() == count


async def fault_kills(engine: str, seed: int, count: int) -> bool:
    async with stage(engine, seed) as there:
        sender_kills = KillsDuringFaults(there, seed, lambda line: print(line, file=sys.stderr, flush=True))
        verdict = await sender_kills.judge(count)
    print(verdict.as_json(), flush=True)
    return verdict.is_good and verdict.kills.total() == count


async def desk_kills(engine: str, seed: int, count: int, name: str, keep: Path | None) -> bool:
    async with stage(engine, seed, desk_installations.DESKS[name], keep) as there:
        kill_report = await DeskKills(there, seed, lambda line: print(line, file=sys.stderr, flush=True)).run(count)
    if keep is not None:
        for person, told in kill_report.inquests.items():
            (keep / f"{person}.txt").write_text(told)
    print(kill_report.as_json(), flush=True)
    return not kill_report.wrong and kill_report.kills.total() >= count


async def desk_outage(engine: str, seed: int, minutes: float) -> bool:
    """At Slack's own pace."""
    async with stage(engine, seed, desk_installations.REAL) as there:
        kill_report = await Outage(there, minutes, seed).run()
    print(kill_report.as_json(), flush=True)
    return not kill_report.wrong


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.scenarios", description="Scenarios on every channel.")
    parser.add_argument("what", choices=("matrix", "kills", "fault-kills", "desk-kills", "desk-outage"))
    parser.add_argument("--engine", choices=("embedded", "scaled"), required=True)
    parser.add_argument("--count", type=int, default=250, help="kills (default 250)")
    parser.add_argument("--minutes", type=float, default=10.0, help="without Slack (default 10)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument(
        "--desk", choices=desk_installations.DESKS, default="slack", help="desk-kills: where people work"
    )
    parser.add_argument("--keep", type=Path, help="desk-kills: folder for logs, data, and what went wrong")
    given = parser.parse_args()
    print(f"{given.what} {given.engine}, seed {given.seed}", file=sys.stderr, flush=True)
    if given.what == "matrix":
        return int(not asyncio.run(matrix(given.engine, given.seed)))
    if given.what == "desk-outage":
        return int(not asyncio.run(desk_outage(given.engine, given.seed, given.minutes)))
    if given.what == "fault-kills":
        return int(not asyncio.run(fault_kills(given.engine, given.seed, given.count)))
    if given.what == "desk-kills":
        return int(not asyncio.run(desk_kills(given.engine, given.seed, given.count, given.desk, given.keep)))
    return int(not asyncio.run(kills(given.engine, given.seed, given.count)))


if __name__ == "__main__":
    sys.exit(main())
