"""Replays the retail benchmark's tasks: each task's gold calls go through the whole worker (policy, confirmation,
journal), and the shop's books must then differ in exactly the records that the data names, to the cent.

python -m tests.measure.retail --data ../shared/data/retail_actions
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from examples.retail import database
from tests.measure.retail_worker import Call, Stage, stage_at

Books = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Task:
    id: str
    calls: Sequence[Call]
    expected: dict[str, dict[str, Any]]


async def play(stage: Stage, task: Task, books: Path) -> None:
    """The contact agrees to each question."""
    stage.settings["database"] = str(books)
    stage.script.refused.clear()
    talk = await stage.talk(f"task-{task.id}")
    for call in task.calls:
        await talk.calls(call)
        if (yes := await talk.yes()) is not None:
            await talk.says("Yes, go ahead", yes)


def tasks_of(folder: Path, books: Books) -> list[Task]:
    expected = {each["task"]: each["changed"] for each in json.loads((folder / "expected_train.json").read_text())}
    tasks = []
    for each in json.loads((folder / "tasks_train.json").read_text()):
        calls = [Call(one["name"], one["arguments"]) for one in each["evaluation_criteria"]["actions"] or []]
        tasks.append(Task(each["id"], identify_customer_first(calls, books), expected[each["id"]]))
    return tasks


def identify_customer_first(calls: list[Call], books: Books) -> list[Call]:
    """Who the customer is comes first. Where the gold calls leave that out, the customer tells an e-mail address."""
    if not calls or any(call.name.startswith("find_user_id") for call in calls[:2]):
        return calls
    order = next((call.arguments["order_id"] for call in calls if "order_id" in call.arguments), "")
    user = next((call.arguments["user_id"] for call in calls if "user_id" in call.arguments), "")
    owner = user or books["orders"].get(order, {}).get("user_id", "")
    if not owner:
        return calls
    return [Call("find_user_id_by_email", {"email": books["users"][owner]["email"]}), *calls]


def difference(before: Books, after: Books) -> Books:
    """Records that differ, by kind and id."""
    changed = {
        kind: {id: record for id, record in after[kind].items() if record != before[kind].get(id)} for kind in after
    }
    return {kind: records for kind, records in changed.items() if records}


def to_the_cent(value: Any) -> Any:
    """Amounts rounded as money is, and fields that say nothing left out."""
    if isinstance(value, dict):
        return {name: to_the_cent(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [to_the_cent(inner) for inner in value]
    return round(value, 2) if isinstance(value, float) else value


async def replay(tasks: Sequence[Task], books: Books, folder: Path) -> dict[str, list[str]]:
    """For each task what was wrong with it: nothing, for one that left exactly the expected records."""
    fresh = folder / "fresh.db"
    database.make(fresh, books)
    wrong: dict[str, list[str]] = {}
    async with stage_at(folder) as stage:
        for task in tasks:
            own = folder / "task.db"
            shutil.copy(fresh, own)
            await play(stage, task, own)
            left = to_the_cent(difference(books, database.contents(own)))
            fits = left == to_the_cent(task.expected)
            wrong[task.id] = [] if fits else [f"left {json.dumps(left)}", *stage.script.refused]
    return wrong


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.measure.retail", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder retail_actions")
    data: Path = parser.parse_args(arguments).data
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    books = json.loads((data / "db.json").read_text())
    with tempfile.TemporaryDirectory() as folder:
        wrong = asyncio.run(replay(tasks_of(data, books), books, Path(folder)))
    right = sum(not problems for problems in wrong.values())
    print(f"retail_actions, training tasks: {right} of {len(wrong)} leave exactly the expected records")
    for task, problems in wrong.items():
        for problem in problems:
            print(f"  task {task}: {problem[:2000]}")
    return 0 if right == len(wrong) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
