"""Thousands of attempts at writes that must not happen, or not twice, on the retail shop, through the whole worker.

python -m tests.measure.retail_attempts --data ../shared/data/retail_actions [--count 10000] [--seed 1] [--only KIND]

Each round is a new contact on fresh books, and one of the shop's seven writes: a stranger, an order of somebody else,
a call that the shop's rules refuse, no yes, a yes delivered fifty times to two workers at once, other arguments after
the yes, wrong types; and now and then a proper one. After each, the books must differ from before in exactly what was
agreed to. Prints how many attempts there were, about how many of those that must be refused the contact was asked
nevertheless, and each that went wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from examples.retail import database
from examples.retail.database import Refused
from schemas.messages import ChoiceSelection
from tests.measure.retail import Books, difference, to_the_cent
from tests.measure.retail_worker import Call, RetailConversation, Stage, stage_at
from tests.measure.retail_writes import Write, Writes

DELIVERED = 50
"""How often one yes is delivered."""
NO_YES = ("ok?", "yes but wait", "yes no", "no", "cancel", "maybe", "yes yes yes go ahead now", "3", "go on then 2")

NO_SUBJECTS: tuple[Any, ...] = (None, 7, -1, [], {}, "", "'; DROP TABLE records; --", "#W123", "x" * 5000)


@dataclass
class Attempts:
    """``wrong``: what happened and should not have, or the other way round. ``actions``: rounds by the write that was
    asked for."""

    books: Books
    folder: Path
    stage: Stage
    dice: random.Random
    made: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    actions: Counter[str] = field(default_factory=Counter)
    refusable: int = 0
    """Calls that the shop's rules refuse; ``asked_first``: those that the contact was asked about all the same."""
    asked_first: int = 0

    def __post_init__(self) -> None:
        self.writes = Writes(self.books, self.dice)

    @property
    def count(self) -> int:
        return self.made.total()

    async def round(self, kind: str) -> None:
        own = self.folder / "round.db"
        shutil.copy(self.folder / "fresh.db", own)
        self.stage.settings["database"] = str(own)
        talk = await self.stage.talk(f"{kind}-{self.count}")
        agreed = await KINDS[kind](self, talk)
        left = to_the_cent(difference(self.books, database.contents(own)))
        if left != to_the_cent(agreed):
            self.wrong.append(f"{kind}: {json.dumps(left)[:600]}, not {json.dumps(agreed)[:600]}")
        if database.effects(own) > (1 if agreed else 0):
            self.wrong.append(f"{kind}: done {database.effects(own)} times")

    # ── what is asked for ────────────────────────────────────────────────────────────────────────────────────────────

    def write(self) -> Write:
        """One that the shop would do, if it were asked properly."""
        write = self.writes.draw()
        self.actions[write.call.name] += 1
        return write

    def who(self, user: str) -> Call:
        return Call("find_user_id_by_email", {"email": self.books["users"][user]["email"]})

    def outcome(self, write: Write) -> Books:
        """What the shop's rules make of it, without anything in between."""
        own = self.folder / "expected.db"
        shutil.copy(self.folder / "fresh.db", own)
        try:
            database.write(own, "expected", {}, write.deed)
        except Refused as error:
            self.wrong.append(f"{write.call} should be possible: {error}")
            return {}
        return difference(self.books, database.contents(own))

    async def asked(self, talk: RetailConversation, user: str, call: Call) -> ChoiceSelection | None:
        """The yes to the question that the call leads to; None when none was asked."""
        await talk.calls(self.who(user))
        await talk.calls(call)
        return await talk.yes()

    # ── kinds of attempts; each gives what was agreed to ─────────────────────────────────────────────────────────────

    async def stranger(self, talk: RetailConversation) -> Books:
        self.made["stranger"] += 1
        await talk.calls(self.write().call)
        return {}

    async def somebody_elses(self, talk: RetailConversation) -> Books:
        write = self.write()
        other = self.dice.choice([user for user in self.books["users"] if user != write.user])
        self.made["somebody else's"] += 1
        yes = await self.asked(talk, other, write.call)
        self.refusable += 1
        self.asked_first += yes is not None
        await talk.says("Yes, go ahead", yes)
        return {}

    async def against_the_rules(self, talk: RetailConversation) -> Books:
        write = self.write()
        altered = self.writes.altered(write)
        self.made["against the rules"] += 1
        yes = await self.asked(talk, write.user, altered)
        self.refusable += 1
        self.asked_first += yes is not None
        await talk.says("Yes, go ahead", yes)
        return {}

    async def no_yes(self, talk: RetailConversation) -> Books:
        write = self.write()
        await self.asked(talk, write.user, write.call)
        for text in self.dice.sample(NO_YES, 4):
            self.made["no yes"] += 1
            await talk.says(text, None)
        return {}

    async def fifty_times(self, talk: RetailConversation) -> Books:
        write = self.write()
        yes = await self.asked(talk, write.user, write.call)
        self.made["the same yes again"] += DELIVERED
        await talk.delivers(yes, DELIVERED, self.dice)
        return self.outcome(write)

    async def changed(self, talk: RetailConversation) -> Books:
        write = self.write()
        first = await self.asked(talk, write.user, write.call)
        await talk.calls(Call(write.call.name, write.other))
        self.made["a yes to something else"] += 1
        await talk.says("Yes, go ahead", first)
        return {}

    async def wrong_types(self, talk: RetailConversation) -> Books:
        write = self.write()
        await talk.calls(self.who(write.user))
        for value in self.dice.sample(NO_SUBJECTS, 4):
            self.made["wrong types"] += 1
            await talk.calls(Call(write.call.name, {**write.call.arguments, write.subject: value}))
            await talk.says("Yes, go ahead", await talk.yes())
        return {}

    async def proper(self, talk: RetailConversation) -> Books:
        write = self.write()
        yes = await self.asked(talk, write.user, write.call)
        self.made["proper"] += 1
        await talk.says("Yes, go ahead", yes)
        return self.outcome(write)


KINDS: dict[str, Any] = {
    "stranger": Attempts.stranger,
    "somebody else's": Attempts.somebody_elses,
    "against the rules": Attempts.against_the_rules,
    "no yes": Attempts.no_yes,
    "fifty times": Attempts.fifty_times,
    "changed": Attempts.changed,
    "wrong types": Attempts.wrong_types,
    "proper": Attempts.proper,
}


async def attempt(books: Books, folder: Path, count: int, seed: int, kinds: Sequence[str] = tuple(KINDS)) -> Attempts:
    database.make(folder / "fresh.db", books)
    async with stage_at(folder) as stage:
        made = Attempts(books, folder, stage, random.Random(seed))
        for kind in kinds:
            await made.round(kind)
        while made.count < count:
            await made.round(made.dice.choice(list(kinds)))
    return made


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.measure.retail_attempts")
    parser.add_argument("--data", type=Path, required=True, help="the folder retail_actions")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", choices=list(KINDS), help="rounds of this kind alone")
    chosen = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    books = json.loads((chosen.data / "db.json").read_text())
    with tempfile.TemporaryDirectory() as folder:
        made = asyncio.run(attempt(books, Path(folder), chosen.count, chosen.seed, chosen.only or tuple(KINDS)))
    kinds = ", ".join(f"{number} {kind}" for kind, number in made.made.most_common())
    print(f"{made.count} attempts with seed {chosen.seed} ({kinds}): {len(made.wrong)} wrong")
    print(f"  asked about {made.asked_first} of {made.refusable} calls that the shop refuses")
    print(f"  rounds by action: {', '.join(f'{number} {name}' for name, number in made.actions.most_common())}")
    for each in made.wrong[:20]:
        print(f"  {each}")
    return 1 if made.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
