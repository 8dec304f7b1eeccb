"""A conversation that people take over twice, whatever the customer's channel: what is said, and what must be true of
all that was seen, by the customer and by people."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from agent_worker.voice import DEFAULT_VOICE
from tests.scenarios.channel_scenarios import PNG, TAKEN_OVER
from tests.scenarios.customer_conversation import FACTS, HEAT, RETURN, WATER, CustomerConversation
from tests.scenarios.desk.desk_view import DeskView
from tests.simulators.slack.event_delivery import Undelivered
from tests.simulators.vendor import File

PERSON_PLEASE = "I want to talk to a person please"
ASKED = DEFAULT_VOICE.rating_ask
THANKS = "Thank you for telling us"
NOT_DELIVERED = "Not delivered to the customer"
INSIDE = "not for customers"
"""Stands in all that people write for each other."""
DELETED = "Deleted by the customer"
AGAIN = "Handed over to people again"
"""What stands below it is a summary, which repeats."""
ROUNDS = 3
LEAF = File("leaf.png", "image/png", PNG)
DOUBTED = 30.0
"""Seconds after which nobody waits any longer for what may be lost."""
STEPS = ("hands_off", "speak", "change", "give_back", "resolve", "rate", "go_on")


async def _nothing() -> None:
    pass


@dataclass
class Line:
    """One that the customer should see. ``doubt``: they have waited for it in vain; ``missing``: to the end."""

    text: str
    author: str
    doubt: bool = False
    missing: bool = False


@dataclass(eq=False)  # each is itself
class Case:
    """``pause`` is waited for before each step: the scene of the kills goes on there."""

    talk: CustomerConversation
    floor: DeskView
    pause: Callable[[], Awaitable[None]] = _nothing
    in_doubt: bool = False
    """Whether processes die, so that where nobody can know what was shown a message may be missing."""
    step: str = ""
    lines: list[Line] = field(default_factory=list)
    themes: list[str] = field(default_factory=list)
    """Of the customer's messages that people see, in order."""

    async def play(self) -> None:
        for step in STEPS:
            self.step = step
            await getattr(self, step)()
        await self.judge()

    # ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def hands_off(self) -> None:
        await self.says(HEAT)
        await self.sees(FACTS[HEAT], "agent")
        await self.says(PERSON_PLEASE)
        await self.sees(TAKEN_OVER, "system")
        await self.floor.card()
        self.floor.write(f"Before anybody has it: {INSIDE}", by="Eve")
        await self.says_to_people(f"{WATER} (while I wait)")
        await self.claim()

    async def claim(self) -> None:
        await self.press("Claim", f"with {self.floor.colleague}")

    async def speak(self) -> None:
        """Three times each way, about what the agent could answer, too."""
        for number in range(ROUNDS):
            await self.says_to_people(f"{HEAT} ({number})", *([LEAF] if number == 1 else []))
            self.floor.write(f"Aside {number}: {INSIDE}", by="Eve")
            self.floor.write(f"// Note {number}: {INSIDE}")
            await self.answers(f"Mo says {number}", *([LEAF] if number == 1 else []))
        await self.floor.until(lambda: self.floor.files(), "the customer's file")

    async def change(self) -> None:
        said = self.talk.said
        if "edit" not in self.talk.customers.cannot:
            message = await self.says_to_people("It has two leaves")
            while not await self.told(lambda: self.talk.vendor.edit(self.talk.person, message, "It has three leaves")):
                pass  # the vendor has given up telling it; an edit can be made again
            await self.floor.shows("It has three leaves")
            said[-1] = self.themes[-1] = "It has three leaves"
        if "deletion" not in self.talk.customers.cannot:
            message = await self.says_to_people("My address is 5 Main Street")
            if await self.told(lambda: self.talk.vendor.delete(self.talk.person, message)):
                await self.floor.shows(DELETED)
        await self.answers("Mo has read all of it")
        # If the vendor has given up telling it, no history tells of what is gone.
        if DELETED in self.floor.shown():
            assert "5 Main Street" not in self.floor.shown()
            said.pop()
            self.themes.pop()

    async def give_back(self) -> None:
        """The agent answers the next question, and does not call people for the old reason."""
        await self.press("Return to agent", "back with the agent")
        await self.says(RETURN)
        await self.sees(FACTS[RETURN], "agent")
        found = await self.talk.record(_is_back, "the agent to have it")
        if found["owner"] != "agent":
            # An answer of the agent's may have been lost with its sender: then people are called for that reason.
            await self.press("Return to agent", "back with the agent")
            await self.talk.record(lambda one: one["owner"] == "agent", "the agent to have it")

    async def resolve(self) -> None:
        await self.says(PERSON_PLEASE)
        await self.sees(TAKEN_OVER, "system")
        await self.claim()
        assert len(self.floor.cards()) == 1
        await self.answers("Mo is back")
        await self.pause()
        await self._resolve()
        await self.sees(ASKED, "system")

    async def _resolve(self) -> None:
        await self.insist(self.open_form)
        values = {"outcome": "Solved", "tags": ["plants"], "note": f"Well done; {INSIDE}"}
        await self.insist(lambda: self.floor.fill_in(**values))
        await self.floor.says(f"resolved by {self.floor.colleague}")

    async def open_form(self) -> None:
        """Press until the form is there: it can be opened for three seconds only, and whoever was to do so may have
        died or been slow."""
        await self.floor.press("Resolve")
        while not self.floor.form():
            try:
                await self.floor.vendor.ledger.until(self.floor.form, deadline=10)
            except TimeoutError:
                await self.floor.press("Resolve")

    async def rate(self) -> None:
        """By what the channel has for choosing."""
        question = next((each for each in self.talk.screen if ASKED in each.text), None)
        if question is None:
            assert self.lines[-1].doubt
            await self.says("4")
        else:
            assert len(question.choices) == 5, question
            label = question.choices[3]
            await self.told(lambda: self.insist(lambda: self.talk.customers.choose(self.talk.person, question, label)))
        await self.sees(THANKS, "system")
        await self.talk.record(lambda one: one["owner"] == "closed", "it to be closed")

    async def go_on(self) -> None:
        """Behind this answer nothing is on its way any more."""
        await self.says(WATER)
        await self.sees(FACTS[WATER], "agent")

    # ── what one does ────────────────────────────────────────────────────────────────────────────────────────────────

    async def says(self, text: str, *files: File) -> str:
        await self.pause()
        message = await self.talk.say(text, files=files)
        await self.heard()
        return message

    async def says_to_people(self, text: str, *files: File) -> str:
        message = await self.says(text, *files)
        await self.floor.shows(text)
        self.themes.append(text)
        return message

    async def told(self, act: Callable[[], Awaitable[Any]]) -> bool:
        await self.pause()
        await act()
        return await self.heard()

    async def heard(self) -> bool:
        """False if the vendor has given up telling it. Then its history tells of it, if it is a message."""
        try:
            await self.talk.accepted()
        except Undelivered:
            assert self.in_doubt
            return False
        return True

    async def answers(self, text: str, *files: File) -> None:
        await self.pause()
        self.floor.write(text, *files)
        await self.sees(text, "person")
        if files and self.in_doubt and self.talk.customers.sure:
            await self._arrive(files)

    async def _arrive(self, files: Sequence[File]) -> None:
        """Some vendors fetch files from us, and give up where they find nobody. Whoever is told that a file has not
        arrived sends it again."""
        refused = 0
        while not any(shown.files for shown in self.talk.screen):
            refused = await self.talk.until(partial(self._heard_of_files, refused), "the file")
            if not any(shown.files for shown in self.talk.screen):
                self.floor.write("", *files)

    def _heard_of_files(self, refused: int) -> int:
        """How often people were told that one has not arrived, with whatever is new since ``refused`` times; else 0."""
        told = self.floor.shown().count(NOT_DELIVERED)
        is_there = any(shown.files for shown in self.talk.screen)
        return max(told, 1) if is_there or told > refused else 0

    async def press(self, label: str, status: str) -> None:
        await self.pause()
        await self.insist(lambda: self.floor.press(label, unless=status))
        await self.floor.says(status)

    async def insist(self, act: Callable[[], Awaitable[Any]]) -> None:
        """Whoever sees that something failed does it again."""
        async with asyncio.timeout(90):
            while True:
                try:
                    await act()
                except Undelivered:
                    assert self.in_doubt
                    await asyncio.sleep(0.2)
                else:
                    return

    async def sees(self, text: str, author: str) -> Any:
        """The next message that the customer sees, after all before it."""
        line = Line(text, author)
        self.lines.append(line)
        shown = self.talk.until(lambda: self._seen(text) >= self._wanted(text), repr(text))
        if not self.in_doubt or self.talk.customers.sure:
            return await shown
        try:
            async with asyncio.timeout(DOUBTED):
                await shown
        except TimeoutError:
            line.doubt = True

    def _seen(self, text: str) -> int:
        return len([shown for shown in self.talk.screen if text in shown.text])

    def _wanted(self, text: str) -> int:
        return len([line for line in self.lines if line.text == text and not line.doubt])

    # ── what must be true ────────────────────────────────────────────────────────────────────────────────────────────

    async def judge(self) -> None:
        """Nothing lost, nothing doubled, all in order both ways; nothing internal outside; the agent was silent while
        people had it."""
        screen = self.talk.screen
        seen = [shown.text for shown in screen if shown.text]
        assert not any(INSIDE in text for text in seen), seen
        left = iter(seen)
        now = next(left, None)
        for line in self.lines:
            if now is not None and line.text in now:
                now = next(left, None)
            else:
                assert line.doubt, (line, seen)
                line.missing = True
        assert now is None, (now, seen)
        files = [file.data for shown in screen for file in shown.files]
        assert files == [PNG] or (not files and any(line.doubt for line in self.lines)), f"{len(files)} files"
        self._judge_desk()
        await self._judge_record()

    def _judge_desk(self) -> None:
        shown = [self.floor.words(post) for post in self.floor.posts()]
        thread = [text for text in shown if AGAIN not in text]
        places = [[number for number, text in enumerate(thread) if theme in text] for theme in self.themes]
        assert [len(place) for place in places] == [1] * len(self.themes), (self.themes, thread)
        assert sorted(places) == places, (self.themes, thread)
        whole = "\n".join(thread)
        order = [whole.index(theme) for theme in self.themes]
        assert order == sorted(order), (self.themes, whole)
        assert [file.data for file in self.floor.files()] == [PNG], [file.name for file in self.floor.files()]

    async def _judge_record(self) -> None:
        authors = [line.author for line in self.lines if not line.missing]
        screen = [shown.text for shown in self.talk.screen]
        # What is in doubt is on record too, whether or not it has arrived; what has arrived may get there later.
        found = await self.talk.record(
            lambda one: [author for author, _ in _ours(one, screen)] == authors, f"{authors} on record"
        )
        lines = found["transcript"]
        own = [line["text"] for line in lines if line["author"]["kind"] == "contact" and line["state"] != "deleted"]
        asked = [text for text in own if text in self.talk.said]
        assert asked == self.talk.said, (asked, self.talk.said)
        ours = _ours(found, screen)
        assert not any(INSIDE in text for _, text in ours), ours


def _ours(found: dict[str, Any], screen: Sequence[str]) -> list[tuple[str, str]]:
    """Who said what to the customer, without what is in doubt and not on the screen."""
    said = [
        (line["author"]["kind"], line["text"], line["state"])
        for line in found["transcript"]
        if line["author"]["kind"] != "contact" and line["state"] != "dropped" and line["text"]
    ]
    lost = Counter(text for _, text, _ in said)
    for text in lost:
        lost[text] -= sum(text[:20] in shown for shown in screen)
    ours = []
    for author, text, state in said:
        if state == "unknown" and lost[text] > 0:
            lost[text] -= 1
        else:
            ours.append((author, text))
    return ours


def _is_back(found: dict[str, Any]) -> bool:
    """Whether the agent has the conversation, or people were called because an answer may not have arrived."""
    in_doubt = any(line["state"] == "unknown" for line in found["transcript"])
    return found["owner"] == "agent" or (in_doubt and found["owner"] == "queue")
