"""Handoffs do not depend on how the log is cut into batches, nor on repeats."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from schemas import topics
from schemas.desk import HandoffEnded
from schemas.envelope import Envelope
from tests.unit.agent_worker.handoff.people_events import ALWAYS, request_owner, resolve_handoff
from tests.unit.agent_worker.worker_environment import WorkerEnvironment, world_at

CASES = 16
LENGTH = 24


@dataclass
class Log:
    """Events as they stand in the log, one after the other, with the owner and the epoch that they lead to."""

    world: WorkerEnvironment
    choose: random.Random
    owner: str = "agent"
    epoch: int = 0
    count: int = 0

    def next(self) -> Envelope:
        self.count += 1
        self.world.clock.advance(seconds=20)
        name = f"e{self.count}"
        if self.owner == "agent":
            return (
                self._move(self.choose.choice(["queue", "person"]), name)
                if self.choose.random() < 0.6
                else self._hear(name)
            )
        if self.owner == "closed":
            return self._hear(name)
        wish = self.choose.choice(["hear", "speak", "agent", "closed", "resolved", "person", "late"])
        if wish == "hear":
            return self._hear(name)
        if wish == "speak":
            return self._speak(name)
        if wish == "resolved":
            self.owner, self.epoch = "closed", self.epoch + 1
            return resolve_handoff(self.world, name, outcome="Solved")
        if wish == "late":
            return request_owner(self.world, "person", name, epoch=self.epoch - 1)
        return self._move(wish, name)

    def _move(self, to: str, name: str) -> Envelope:
        event = request_owner(self.world, to, name, epoch=self.epoch)
        self.owner, self.epoch = to, self.epoch + 1
        return event

    def _hear(self, name: str) -> Envelope:
        if self.owner == "closed":
            self.owner, self.epoch = "agent", self.epoch + 1
        return self.world.said(name, "Do you add a heat pack in winter?")

    def _speak(self, name: str) -> Envelope:
        if self.owner == "queue":
            self.owner, self.epoch = "person", self.epoch + 1
        return self.world.said(name, "We will look into it.", by="person")


async def _ended_handoffs(folder: Path, seed: int, cut: int) -> list[tuple[int, str, str, int]]:
    """The handoffs that ended, of the log of this seed, handled in this cut."""
    async with world_at(folder, prepare=False, desk=ALWAYS) as world:
        log, cuts = Log(world, random.Random(seed)), random.Random(cut)
        await world.handle(world.said("first", "Hello"))
        while log.count < LENGTH:
            size = 1 if cut == 0 else cuts.randint(1, 6)
            batch = [log.next() for _ in range(min(size, LENGTH - log.count))]
            await world.handle(*batch)
            if cut and cuts.random() < 0.3:
                await world.handle(*batch)
        ended: list[HandoffEnded] = await world.told(topics.HANDOFF_ENDED)
        known = await world.known()
        assert (known.owner, known.epoch) == (log.owner, log.epoch)
        handoff = known.facts.handoff
        people = known.owner in ("queue", "person")
        assert handoff is None or (handoff.ended_at is None) is people
        return [(each.number, each.ended, each.outcome, each.replies) for each in ended]


@pytest.mark.parametrize("seed", range(CASES))
async def test_handoffs_do_not_depend_on_batches(tmp_path: Path, seed: int) -> None:
    """One event at a time, or up to six with repeats: numbers, endings, outcomes and replies are the same."""
    for name in ("one", "many"):
        (tmp_path / name).mkdir()
    one = await _ended_handoffs(tmp_path / "one", seed, 0)
    many = await _ended_handoffs(tmp_path / "many", seed, seed + 1)
    assert one == many
    assert len({number for number, *_ in one}) == len(one)
