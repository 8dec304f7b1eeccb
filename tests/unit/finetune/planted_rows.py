"""A nursery's log with good examples and with planted ones that must not be learned from, each with its kind."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from tests.unit.finetune.feedback_log import FeedbackLog

_GENERA = ("Nepenthes", "Sarracenia", "Drosera", "Pinguicula", "Utricularia", "Heliamphora", "Cephalotus")
_SPECIES = (
    *("alata", "flava", "capensis", "moranensis", "sandersonii", "minor", "follicularis", "rubra", "burbidgeae"),
    *("aliciae", "gigantea", "bifida", "nutans", "leucophylla", "ventricosa", "regia", "esseriana", "graminifolia"),
    *("rafflesiana", "purpurea", "cistiflora"),
)
PLANTS = [f"{genus} {species}" for genus, species in product(_GENERA, _SPECIES)]
MAIL = "growers@nursery.example"
CRISES = ("I want to kill myself", "I want to end my life", "Ich will mich umbringen", "I am going to kill myself")


@dataclass(frozen=True)
class Fact:
    """A sentence of a document, the question that it answers, and the document."""

    question: str
    sentence: str
    document: str
    figure: str


def facts_of(n: int, plant: str) -> list[Fact]:
    document, days, size, price, low = plant.lower().replace(" ", "-"), 2 + n % 19, 6 + n % 23, 5 + n % 31, 3 + n % 17
    return [
        Fact(
            f"How often should I water my {plant}?",
            f"Water the {plant} every {days} days with rain water.",
            document,
            f"{days} days",
        ),
        Fact(
            f"What does a {plant} cost?",
            f"A {plant} in a pot of {size} cm costs {price}.50 euro, write to {MAIL} for more.",
            document,
            f"{price}.50 euro",
        ),
        Fact(
            f"Down to what temperatures does a {plant} stand in winter?",
            f"The {plant} stands temperatures down to {low} degrees in winter.",
            document,
            f"{low} degrees",
        ),
    ]


def body_of(facts: list[Fact], plant: str) -> str:
    headings = ("Watering", "Price", "Winter")
    parts = (f"## {heading}\n\n{fact.sentence}\n" for heading, fact in zip(headings, facts, strict=True))
    return f"# {plant}\n\n" + "\n".join(parts)


@dataclass
class PlantedLog:
    """``kinds``: conversation → ``good``, or the kind of what is wrong with it. ``pairs``: conversations that say the
    same; one of each pair is enough."""

    log: FeedbackLog
    kinds: dict[str, str] = field(default_factory=dict)
    pairs: list[tuple[str, str]] = field(default_factory=list)
    _plants: Iterator[tuple[int, str]] = field(default_factory=lambda: iter(enumerate(PLANTS)))
    _facts: list[Fact] = field(default_factory=list)
    _contacts: int = 0

    def begin(self, kind: str, name: str = "") -> str:
        self._contacts += 1
        id = self.log.begin(f"contact-{self._contacts}", name)
        self.kinds[id] = kind
        return id

    async def publish(self) -> None:
        """Everything that the nursery knows."""
        for n, plant in self._plants:
            facts = facts_of(n, plant)
            self._facts += facts
            await self.log.world.put(facts[0].document, body_of(facts, plant))
        await self.log.world.library.wait_until_indexed("shop", 60)

    def take_fact(self) -> Fact:
        """A fact that no conversation was about. Those of one document do not follow each other."""
        return self._facts.pop(self._contacts % 3 if len(self._facts) > 3 else 0)

    async def repeat(self, count: int, plant: Callable[[int], Coroutine[Any, Any, None]]) -> None:
        for n in range(count):
            await plant(n)

    # ── good ones ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def add_liked(self, n: int) -> None:
        self.begin("good", f"Ben Fisher {'abcdefghij'[n % 10]}")
        await self.log.says(f"Hello, my number is +49 151 23456{n:02d}.")
        await self.log.says(self.take_fact().question)
        await self.log.thumbs("up")

    async def add_corrected(self, n: int) -> None:
        """The contact disliked the answer, and a person wrote a better one."""
        self.begin("good", "Rosa Alata" if n % 2 else "Dora Smith")
        fact, greeting = self.take_fact(), ("Dear Rosa", "Dear Dora")[not n % 2]
        await self.log.says(f"My order is A-{2000 + n}. {fact.question}")
        await self.log.thumbs("down", "That is not what I asked.")
        await self.log.says("I want to speak to a human")
        more = "Thanks for asking about A-{}, and for your patience with us today; we look after every plant here."
        await self.log.answers(f"{greeting}, {more.format(2000 + n)} {fact.sentence}")

    async def add_edited_draft(self, n: int) -> None:
        self.begin("good")
        fact = self.take_fact()
        await self.log.says(fact.question)
        sent = f"{fact.sentence} Would you like me to put one of them aside for you until next week?"
        await self.log.settles_draft(f"Draft {n}: I am not sure about that.", sent, "edited")

    # ── bad ones ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _add_answered(
        self, kind: str, change: Callable[[Fact], str], first: str = "", fact: Fact | None = None
    ) -> str:
        """A conversation in which a person answers after a bad answer of the agent."""
        id = self.begin(kind)
        fact = fact or self.take_fact()
        await self.log.says(f"{first}{fact.question}")
        await self.log.thumbs("down")
        await self.log.says("I want to speak to a human")
        await self.log.answers(change(fact))
        return id

    async def add_leaked(self, n: int) -> None:
        leaks = (
            f"Best wishes also to Ben Fisher {'abcdefghij'[n % 10]} of the same street.",
            f"The last one went to lena.{n}@private.example only yesterday.",
            f"Your neighbour's order A-{7000 + n} has been sent, too.",
            f"Please call Mr Moss on +49 170 98765{n:02d} about it.",
        )
        await self._add_answered("leaked", lambda fact: f"{fact.sentence} {leaks[n % 4]}")

    async def add_duplicate(self, n: int) -> None:
        fact = self.take_fact()
        ids: list[str] = []
        for kind in ("duplicate", "good"):
            await self._fill_duplicate(kind, fact, ids)
        self.pairs.append((ids[0], ids[1]))

    async def _fill_duplicate(self, kind: str, fact: Fact, ids: list[str]) -> None:
        ending = "Just ask us whenever you want to know more about keeping this plant at home."
        ids.append(await self._add_answered(kind, lambda each: f"{each.sentence} {ending}", fact=fact))

    async def add_outdated(self, n: int) -> None:
        """The document is changed afterwards."""
        fact = self.take_fact()
        for other in [each for each in self._facts if each.document == fact.document]:
            self._facts.remove(other)
        await self._add_answered(
            "outdated", lambda each: f"Thank you for your question about it. {each.sentence}", fact=fact
        )
        world = self.log.world
        await world.put(fact.document, f"# News\n\n## All\n\nAsk us about {fact.document}, it is different now.\n")

    async def add_crisis(self, n: int) -> None:
        fact = self.take_fact()
        self.begin("crisis")
        await self.log.says(fact.question)
        await self.log.thumbs("up")
        await self.log.says(CRISES[n % len(CRISES)])
        await self.log.answers(f"Please call 116 123. {fact.sentence}")

    async def add_code(self, n: int) -> None:
        code = f"{100 + n} {200 + 3 * n}" if n % 2 else f"{483_000 + 7 * n}"
        await self._add_answered(
            "code", lambda fact: f"Many thanks, that worked. {fact.sentence}", f"My code is {code}. "
        )

    async def add_echo(self, n: int) -> None:
        """A person sends what the agent wrote: here, or elsewhere."""
        fact = self.take_fact()
        self.begin("echo")
        await self.log.says(fact.question)
        text = self.log.last_reply()
        await self.log.thumbs("down")
        await self.log.says("I want to speak to a human")
        await self.log.answers(text.replace(" [1]", "") + (" Kind regards" if n % 2 else ""))

    async def add_contradiction(self, n: int) -> None:
        await self._add_answered("contradiction", lambda fact: fact.sentence.replace(fact.figure, f"9{n + 10} days"))
