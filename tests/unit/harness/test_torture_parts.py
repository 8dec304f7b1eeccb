"""The torture's own parts: a seed decides everything, and the checker sees what it is there to see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.harness.checker import KINDS, Findings
from tests.torture import seeds
from tests.torture.log_audit import Ledger, judge
from tests.torture.plan import Options, make_plan
from tests.torture.writers import Person

OPTIONS = Options("scaled", messages=1000, kills=100, seed=5, seconds=1, faults=40)


def test_the_same_seed_makes_the_same_plan_and_another_seed_another() -> None:
    other = Options("scaled", messages=1000, kills=100, seed=6, seconds=1, faults=40)
    assert make_plan(OPTIONS) == make_plan(OPTIONS)
    assert make_plan(OPTIONS).kills != make_plan(other).kills


@pytest.mark.parametrize(("engine", "kills"), [("embedded", 1), ("embedded", 1000), ("scaled", 10), ("scaled", 1000)])
def test_a_plan_kills_as_often_as_asked_and_every_role(engine: Any, kills: int) -> None:
    plan = make_plan(Options(engine, messages=1000, kills=kills, seed=1, seconds=1, faults=0))
    assert sum(map(len, plan.kills.values())) == kills
    assert all(plan.kills.values())


def test_a_kept_seed_is_the_same_run_again(tmp_path: Path) -> None:
    file = tmp_path / "seeds.txt"
    file.write_text("# none yet\n")
    for _ in range(2):
        seeds.keep(OPTIONS, "doubled: something", file)
    (again,) = seeds.kept(file)
    assert make_plan(again).kills == make_plan(OPTIONS).kills
    assert list(seeds.kept()) == [seeds.options_of(seeds.line_of(options)) for options in seeds.kept()]


def line(seq: int, id: str, kind: str = "contact", answers: str | None = None, text: str = "hello") -> dict[str, Any]:
    return {"seq": seq, "id": id, "author": {"kind": kind, "name": ""}, "text": text, "in_reply_to": answers}


async def story(**changes: Any) -> Findings:
    """Two messages, one turn, one reply; ``changes`` to lines, turns and replies on the log."""
    async with aiohttp.ClientSession() as http:
        person = Person("", http, "p", conversation="c")
    for number, id in enumerate(("m1", "m2"), 1):
        words = person.compose("hello")
        words.text = "hello"
        person.trying(words)
        person.accepted(words, id, number)
    told = {
        "lines": [line(1, "m1"), line(2, "m2"), line(3, "r1", "agent", "m2")],
        "turns": [{"id": "t1", "handled": ["m1", "m2"], "replies": [{"id": "r1"}]}],
        "log": {"r1"},
        **changes,
    }
    ledger = Ledger()
    ledger.turns["c"] = {turn["id"]: turn for turn in told["turns"]}
    ledger.replies["c"] = told["log"]
    return judge([person], {"p": told["lines"]}, ledger)


async def test_a_story_as_it_should_be_has_no_faults() -> None:
    assert (await story()).faults == []


WHOLE = [line(1, "m1"), line(2, "m2"), line(3, "r1", "agent", "m2")]
AGAIN = [
    {"id": "t1", "handled": ["m1", "m2"], "replies": [{"id": "r1"}]},
    {"id": "t2", "handled": ["m2"], "replies": [{"id": "r2"}]},
]


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("lost", {"lines": [line(1, "m1"), line(3, "r1", "agent", "m2")]}),
        ("lost", {"lines": WHOLE[:2]}),
        ("lost", {"log": {"r1", "r2"}}),
        ("doubled", {"lines": [*WHOLE, line(4, "r1", "agent", "m2")]}),
        ("doubled", {"turns": AGAIN, "lines": [*WHOLE, line(4, "r2", "agent", "m2")], "log": {"r1", "r2"}}),
        ("reordered", {"lines": [line(1, "m2"), line(2, "m1"), line(3, "r1", "agent", "m2")]}),
        ("crossed", {"lines": [*WHOLE, line(4, "m9")]}),
        ("crossed", {"lines": [line(1, "m1", text="else"), *WHOLE[1:]]}),
        ("crossed", {"lines": [*WHOLE[:2], line(3, "r1", "agent", "m2", "Quarto takes it back")]}),
        ("unanswered", {"turns": [{"id": "t1", "handled": ["m1"], "replies": [{"id": "r1"}]}]}),
        ("unanswered", {"lines": [*WHOLE, line(4, "s1", "system")]}),
        ("unexplained", {"lines": [*WHOLE, line(4, "r7", "agent", "m2")], "log": {"r1", "r7"}}),
        ("unexplained", {"lines": [*WHOLE[:2], line(3, "r1", "agent", "m8")]}),
        ("unexplained", {"turns": [{"id": "t1", "handled": ["m1", "m2", "m3"], "replies": [{"id": "r1"}]}]}),
    ],
)
async def test_each_kind_of_fault_is_seen(kind: str, changes: dict[str, Any]) -> None:
    assert kind in KINDS
    assert getattr(await story(**changes), kind)
