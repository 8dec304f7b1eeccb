"""kill -9 of the sender while its vendor fails, on every channel: 5xx before and after the delivery, broken
connections, slow and senseless answers.

Kills of one channel come in a series. In each, somebody new asks while one or two faults wait for the answer, and the
process dies at a crash point of the sender or, where it does not come by there in time, at a random moment. After the
series nothing fails any more and everybody asks once more. Then each screen shows one answer to each question, in
order; or an answer is in doubt, and the conversation is with people who are told so."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any

from schemas import topics
from schemas.conversation import DeliveryOutcome
from tests.scenarios.customer_conversation import FACTS, HEAT, WATER, CustomerConversation
from tests.scenarios.customers.customer import Customers
from tests.scenarios.kills import DEADLINE, POINTS_OF_SENDER, SenderKills, is_over, is_settled
from tests.scenarios.scenario_installation import ScenarioInstallation
from tests.simulators.slack.event_delivery import Undelivered
from tests.simulators.vendor import Fault, FaultKind

SERIES = 6
MOMENT = 3.0
"""Seconds after the first fault until a process that has not died yet is killed, at most."""
FAULTS: tuple[tuple[FaultKind, dict[str, Any]], ...] = (
    ("refuse", {"status": 503}),
    ("lose", {"status": 502}),
    ("fail_after", {"status": 503}),
    ("drop", {}),
    ("drop_after", {}),
    ("slow", {"seconds": 0.6}),
    ("slow", {"seconds": 4.0}),
    ("garbage", {}),
)


@dataclass
class Verdict:
    """``kills`` by customers and the kind of the first fault. ``with_people``: answers in doubt of which people know,
    by customers. All others must be empty."""

    kills: Counter[str] = field(default_factory=Counter)
    moments: Counter[str] = field(default_factory=Counter)
    answers: int = 0
    with_people: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    in_doubt_untold: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.doubled or self.out_of_order or self.in_doubt_untold or self.broken)

    def as_json(self) -> str:
        told = {"total": self.kills.total(), "kills": dict(sorted(self.kills.items())), "moments": dict(self.moments)}
        told |= {"answers": self.answers, "with_people": dict(self.with_people)}
        wrong = ("lost", "doubled", "out_of_order", "in_doubt_untold", "broken")
        return json.dumps(told | {name: getattr(self, name) for name in wrong}, indent=1)


class KillsDuringFaults(SenderKills):
    def __init__(self, stage: ScenarioInstallation, seed: int, say: Callable[[str], None] = print) -> None:
        super().__init__(stage, seed, say)
        self.verdict = Verdict()
        self._talks: list[CustomerConversation] = []

    async def judge(self, count: int) -> Verdict:
        """Ends the installation, too."""
        await asyncio.gather(*(self._talk(each, "first").ask(HEAT) for each in self._stage.customers))
        every = list(islice(cycle(self._stage.customers), count))
        size = SERIES * len(self._stage.customers)
        for number, start in enumerate(range(0, len(every), size)):
            part = every[start : start + size]
            for customers in self._stage.customers:
                if kills := part.count(customers):
                    await self._faulty_series(customers, kills, number)
                    self._say(f"{self.verdict.kills.total()} kills, last on {customers.name()}")
        await self._read_log()
        return self.verdict

    async def _faulty_series(self, customers: Customers, kills: int, number: int) -> None:
        talks = [self._talk(customers, f"f{number}-{nth}") for nth in range(kills)]
        await self._stage.installation.roles[self._role].kill()
        for talk in talks:
            await self._kill_amid_faults(talk)
        customers.vendor.faults.clear()
        await self._stage.start(self._role)
        self._talks += talks
        await asyncio.gather(*(self._ask_once_more(talk) for talk in talks))

    async def _kill_amid_faults(self, talk: CustomerConversation) -> None:
        vendor, point = talk.vendor, self._rng.choice(POINTS_OF_SENDER)
        chosen = [self._rng.choice(FAULTS) for _ in range(self._rng.choice((1, 1, 2)))]
        waits = self._rng.uniform(0.0, MOMENT)
        await self._stage.start(self._role, PARLEY_CRASH_AT=f"{point}:{self._rng.choice((1, 2))}", wait=False)
        process = self._stage.installation.roles[self._role]
        vendor.faults.clear()
        vendor.faults.next(*(Fault(kind, talk.customers.send, **more) for kind, more in chosen))
        await talk.say(HEAT)
        status = None
        with suppress(TimeoutError):
            status = await self._death(talk, process, len(chosen), waits)
        self.verdict.moments[point if status == -9 else "random"] += 1
        await process.kill()
        self.verdict.kills[f"{talk.customers.name()} {chosen[0][0]}"] += 1

    async def _death(self, talk: CustomerConversation, process: Any, faults: int, waits: float) -> int:
        """The status with which the process died by itself. Raises TimeoutError a while after the first fault."""
        ended = asyncio.shield(process.exited)
        met = asyncio.ensure_future(
            talk.vendor.ledger.until(lambda: talk.vendor.faults.left < faults, deadline=DEADLINE)
        )
        try:
            await asyncio.wait([ended, met], return_when=asyncio.FIRST_COMPLETED)
            return int(await asyncio.wait_for(ended, waits))
        finally:
            met.cancel()
            with suppress(asyncio.CancelledError, TimeoutError):
                await met

    # ── what became of it ────────────────────────────────────────────────────────────────────────────────────────────

    async def _ask_once_more(self, talk: CustomerConversation) -> None:
        try:
            with suppress(Undelivered):
                await talk.accepted()
            await talk.record(lambda one: one["turns"], "the first question to be handled")
            await talk.say(WATER)
            found = await talk.record(lambda one: is_over(one, talk), "the second answer, or people")
            found = await talk.record(lambda one: is_settled(one, talk), "the first answer, or people")
        except (AssertionError, TimeoutError) as error:
            self.verdict.broken.append(f"{error}; see {await self._evidence.keep(talk, error)}")
            return
        self._judge(talk, found)

    def _judge(self, talk: CustomerConversation, found: dict[str, Any]) -> None:
        seen = [shown.text for shown in talk.screen]
        self.verdict.answers += len(seen)
        heat = [number for number, text in enumerate(seen) if FACTS[HEAT] in text]
        water = [number for number, text in enumerate(seen) if FACTS[WATER] in text]
        told = f"{talk.person} sees {seen}; the owner is {found['owner']}"
        is_known = found["owner"] in ("queue", "person")
        if len(heat) > 1 or len(water) > 1:
            self.verdict.doubled.append(told)
        if heat and water and heat[0] > water[0]:
            self.verdict.out_of_order.append(told)
        if (not heat or not water) and not is_known:
            self.verdict.lost.append(told)
        if any(line["state"] == "unknown" for line in found["transcript"]):
            if is_known:
                self.verdict.with_people[talk.customers.name()] += 1
            else:
                self.verdict.in_doubt_untold.append(told)

    async def _read_log(self) -> None:
        """Every delivery that ended as unknown is on record as handed to people."""
        ids = {self._stage.conversation_id(talk.customers, talk.person): talk for talk in self._talks}
        await self._stage.installation.stop()
        told = await self._stage.events()
        for talk in self._talks:
            seen = [shown.text for shown in talk.screen]
            if len(set(seen)) != len(seen):
                self.verdict.doubled.append(f"{talk.person} sees {seen} at the end")
        handed = {each.conversation for each in told if each.type == topics.OWNER_CHANGED}
        for each in told:
            if each.type != topics.DELIVERY_RECORDED or each.conversation not in ids:
                continue
            delivered = each.payload(DeliveryOutcome)
            if delivered.state == "unknown" and not delivered.part_of and each.conversation not in handed:
                self.verdict.in_doubt_untold.append(f"{ids[each.conversation].person}: {delivered.message_id}")
