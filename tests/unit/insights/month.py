"""Writes a month of conversations of a shop: ordinary ones, and planted patterns of what its agent gets wrong.

The texts are in ``months/``. Nothing here is shared with the product but the wire format.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from schemas.conversation import ActionRecord
from schemas.envelope import Envelope
from schemas.messages import Choice
from tests.unit.insights.log_writer import START, LogWriter

FOLDER = Path(__file__).with_name("months")
DAYS = 28
CHANNELS = ["web", "web", "slack", "whatsapp"]
PATTERN_SIZES = (55, 110)
"""Conversations of a planted pattern."""


@dataclass(frozen=True)
class PlantedPattern:
    """``cure``: what a person would say helps at the lowest cost."""

    name: str
    script: str
    cure: str
    conversations: frozenset[str]


class Month:
    """``texts``: the name of a file in ``months/``."""

    def __init__(self, texts: str, seed: int, conversations: int = 10_000) -> None:
        self.texts: dict[str, Any] = yaml.safe_load((FOLDER / f"{texts}.yaml").read_text(encoding="utf-8"))
        self.patterns: list[PlantedPattern] = []
        self._rng = random.Random(seed)
        self._count = conversations

    def write(self) -> Iterator[list[Envelope]]:
        """The events of each conversation, in a random order of conversations."""
        rng = self._rng
        plan: list[Mapping[str, Any] | None] = []
        for pattern in self.texts["patterns"]:
            plan += [pattern] * rng.randint(*PATTERN_SIZES)
        plan += [None] * (self._count - len(plan))
        rng.shuffle(plan)
        found: dict[str, set[str]] = {pattern["name"]: set() for pattern in self.texts["patterns"]}
        for number, planted in enumerate(plan):
            talk = self._start(number)
            if planted is None:
                self._write_ordinary(talk)
            else:
                went_well = getattr(self, f"_write_{planted['script']}")(talk, planted)
                if not went_well:
                    found[planted["name"]].add(talk.conversation)
            yield talk.events
        for pattern in self.texts["patterns"]:
            about = {name: pattern[name] for name in ("name", "script", "cure")}
            self.patterns.append(PlantedPattern(**about, conversations=frozenset(found[pattern["name"]])))

    def documents(self) -> dict[str, str]:
        """Document → text: what the ordinary answers quote."""
        found = {topic["document"]: topic["answer"].replace(" [1]", "") for topic in self.texts["topics"]}
        for pattern in self.texts["patterns"]:
            if "document" in pattern:
                found.setdefault(pattern["document"], pattern["answer"].replace(" [1]", ""))
        return found

    def _start(self, number: int) -> LogWriter:
        at = START + timedelta(seconds=self._rng.uniform(0, DAYS * 86_400))
        return LogWriter(f"conversation-{number}", self._rng.choice(CHANNELS), at)

    # ── texts ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _fill(self, text: str, **given: str) -> str:
        for name, values in self.texts["slots"].items():
            mark = f"{{{name}}}"
            if mark in text:
                text = text.replace(mark, given.get(name) or self._rng.choice(values))
        return text

    def _compose(self, parts: Sequence[Sequence[str]]) -> str:
        """A text of which each part is chosen by itself, so that hardly any two are alike."""
        return " ".join(filter(None, map(self._rng.choice, parts)))

    def _word(self, texts: Sequence[str], **given: str) -> str:
        """One of the questions, as somebody would write it."""
        rng = self._rng
        text = self._fill(rng.choice(texts), **given)
        text = rng.choice(self.texts["openings"]) + text + rng.choice(self.texts["closings"])
        if rng.random() < 0.15 and len(text) > 12:
            place = rng.randrange(4, len(text) - 2)
            text = text[:place] + text[place + 1 :]
        written: str = text.lower() if rng.random() < 0.2 else text
        return written

    # ── ordinary conversations ───────────────────────────────────────────────────────────────────────────────────────

    def _ask(self, talk: LogWriter, topic: Mapping[str, Any], **answer: Any) -> str:
        talk.asks(self._word(topic["questions"]))
        talk.wait(seconds=3)
        rng = self._rng
        models = [("cheap", "tiny-7b"), ("strong", "large-70b"), ("local", "local"), ("cheap", "mini-3b")]
        route, model = rng.choices(models, [50, 30, 15, 5])[0]
        about = {"route": route, "model": model, "intent": topic.get("intent", ""), "cites": [topic["document"]]}
        text = answer.pop("text", topic["answer"])
        return talk.answers(text, **{**about, "cost": 0.001, "confidence": rng.uniform(0.7, 0.95), **answer})

    def _write_ordinary(self, talk: LogWriter) -> None:
        rng = self._rng
        for _ in range(rng.choice([1, 1, 1, 2])):
            chance = rng.random()
            if chance < 0.05:
                self._decline(talk, [self._compose(self.texts["noise"])], people=[])
            elif chance < 0.09:
                self._write_request_for_person(talk)
            else:
                self._write_answer(talk, rng.choice(self.texts["topics"]))
            talk.wait(minutes=rng.choice([1, 5, 15]))
        if rng.random() < 0.1:
            talk.asks("Thanks!")
            talk.answers("With pleasure.", outcome="small_talk", route="local", model="local")

    def _write_answer(self, talk: LogWriter, topic: Mapping[str, Any]) -> None:
        """An answer with the usual few complaints."""
        rng = self._rng
        reasons = ["model large-70b failed: not grounded (it cites no passage)"] if rng.random() < 0.004 else []
        reply = self._ask(talk, topic, reasons=reasons)
        chance = rng.random()
        if chance < 0.03:
            talk.thumb(reply, "down", self._fill(rng.choice(["", *self.texts["noise_comments"]])))
        elif chance < 0.10:
            talk.thumb(reply, "up")
        elif chance < 0.115:
            talk.passes_to("person", by="slack:U7", reason="claimed")
            talk.person_writes(f"Let me add: {topic['answer'].replace(' [1]', '')}")
            talk.passes_to("closed", by="slack:U7")
            talk.rates(rng.choice([1, 3, 4, 5, 5]))
        elif chance < 0.13:
            talk.wait(days=rng.uniform(1, 5))
            self._ask(talk, rng.choice(self.texts["topics"]))
        elif chance < 0.14:
            draft = topic["answer"].replace(" [1]", "")
            talk.passes_to("person", by="slack:U7", reason="claimed")
            talk.settles_draft(draft, draft, "sent")
            talk.person_writes(draft)

    def _write_request_for_person(self, talk: LogWriter) -> None:
        talk.asks(self._rng.choice(["Can I talk to a human?", "agent please", "I want to speak with somebody"]))
        self._pass_on(talk, "the contact asked for a person")
        talk.person_writes("Hello, how can I help?")
        talk.passes_to("closed", by="slack:U7")

    def _decline(self, talk: LogWriter, questions: Sequence[str], people: Sequence[str], **about: Any) -> None:
        """A declined question, which people answer if there are texts for them."""
        rng = self._rng
        number = rng.choice(self.texts["slots"]["number"])
        talk.asks(self._word(questions, number=number))
        talk.wait(seconds=3)
        answer = {"outcome": "declined", "route": "cheap", "model": "tiny-7b", "confidence": rng.uniform(0.1, 0.4)}
        answer["finds"] = [rng.choice(self.texts["topics"])["document"]]
        talk.answers("Our documents do not say that.", **{**answer, **about})
        if people:
            talk.wait(minutes=1)
            talk.asks(rng.choice(["a person please", "Can somebody else help?"]))
            self._pass_on(talk, "the contact asked for a person")
            talk.person_writes(self._fill(rng.choice(people), number=number))
            talk.passes_to("closed", by="slack:U7")

    def _pass_on(self, talk: LogWriter, reason: str) -> None:
        talk.answers("A colleague will take over.", outcome="person", route="person", model="")
        talk.passes_to("queue", reason=reason)
        talk.wait(minutes=self._rng.uniform(1, 30))
        talk.passes_to("person", by="slack:U7", reason="claimed")

    # ── planted patterns ─────────────────────────────────────────────────────────────────────────────────────────────

    def _write_undocumented(self, talk: LogWriter, pattern: Mapping[str, Any]) -> None:
        self._decline(talk, pattern["questions"], pattern["people"])

    def _write_unanswered(self, talk: LogWriter, pattern: Mapping[str, Any]) -> None:
        self._decline(talk, pattern["questions"], [])

    def _write_outdated(self, talk: LogWriter, pattern: Mapping[str, Any]) -> None:
        rng = self._rng
        reply = self._ask(talk, pattern)
        talk.wait(minutes=1)
        if rng.random() < 0.6:
            talk.thumb(reply, "down", rng.choice(["", *pattern["comments"]]))
        if rng.random() < 0.6:
            talk.passes_to("person", by="slack:U7", reason="claimed")
            talk.person_writes(rng.choice(pattern["people"]))
            talk.passes_to("closed", by="slack:U7")

    def _write_manner(self, talk: LogWriter, pattern: Mapping[str, Any]) -> None:
        reply = self._ask(talk, self._rng.choice(self.texts["topics"]))
        talk.thumb(reply, "down", self._rng.choice(pattern["comments"]))

    def _write_closing(self, talk: LogWriter, pattern: Mapping[str, Any]) -> None:
        topic, rng = self._rng.choice(self.texts["topics"]), self._rng
        self._draft(talk, topic, f"{topic['answer'].replace(' [1]', '')} {rng.choice(pattern['added'])}")

    def _draft(self, talk: LogWriter, topic: Mapping[str, Any], sent: str) -> None:
        talk.asks(self._word(topic["questions"]))
        talk.passes_to("person", by="slack:U7", reason="claimed")
        talk.wait(minutes=2)
        talk.settles_draft(topic["answer"].replace(" [1]", ""), sent)
        talk.person_writes(sent)

    def _write_broken_action(self, talk: LogWriter, pattern: Mapping[str, Any]) -> None:
        talk.asks(self._word(pattern["questions"]))
        talk.wait(seconds=4)
        reason = self._rng.choice(pattern["reasons"])
        failed = ActionRecord(name=pattern["action"], outcome="failed", reason=reason)
        talk.answers("That did not work.", outcome="action", actions=[failed], model="tiny-7b")

    def _write_missing_action(self, talk: LogWriter, pattern: Mapping[str, Any]) -> None:
        rng = self._rng
        if rng.random() < 0.6:
            self._decline(talk, pattern["questions"], pattern["people"])
            return
        number = rng.choice(self.texts["slots"]["number"])
        talk.asks(self._word(pattern["questions"], number=number))
        talk.answers(pattern["answer"], cites=[pattern["document"]], model="tiny-7b")
        talk.passes_to("person", by="slack:U7", reason="claimed")
        talk.person_writes(self._fill(rng.choice(pattern["people"]), number=number))
        talk.passes_to("closed", by="slack:U7")

    def _write_weak_route(self, talk: LogWriter, pattern: Mapping[str, Any]) -> bool:
        """True for a question that the strong route has answered."""
        rng = self._rng
        if rng.random() < 0.4:
            self._ask(talk, pattern, route="strong", model="large-70b")
            return True
        if rng.random() < 0.5:
            reply = self._ask(talk, pattern, route="cheap", model="tiny-7b")
            talk.thumb(reply, "down", rng.choice(["", "too vague", "that says nothing"]))
        else:
            self._ask(talk, pattern, route="cheap", model="tiny-7b")
            talk.wait(days=1)
            self._ask(talk, pattern, route="strong", model="large-70b")
        return False

    def _write_people_matter(self, talk: LogWriter, pattern: Mapping[str, Any]) -> None:
        self._ask(talk, pattern, route="cheap", model="tiny-7b")
        talk.wait(minutes=1)
        talk.asks(self._rng.choice(["I want to speak to a human", "this needs a person", "let me talk to somebody"]))
        self._pass_on(talk, "the contact asked for a person")
        talk.person_writes(self._rng.choice(pattern["people"]))

    def _write_invention(self, talk: LogWriter, pattern: Mapping[str, Any]) -> None:
        reason = f"model {pattern['model']} failed: not grounded ({self._rng.choice(pattern['objections'])})"
        topic = self._rng.choice(self.texts["topics"])
        self._ask(talk, topic, route="cheap", model="local", reasons=[reason])

    def _write_missed_suggestion(self, talk: LogWriter, pattern: Mapping[str, Any]) -> None:
        talk.asks(self._word(pattern["questions"]))
        talk.wait(seconds=3)
        choices = [Choice(id=f"section:{n}", label=label) for n, label in enumerate(pattern["suggestions"])]
        choices.append(Choice(id="section:none", label="None of these"))
        reply = talk.answers(
            "Did you mean one of these?", outcome="declined", choices=choices, model="local", finds=pattern["finds"]
        )
        talk.wait(seconds=20)
        talk.asks("None of these", choice=(reply, "section:none"))
        talk.answers("Then I do not know.", outcome="declined", model="local")

    def _write_rewritten_drafts(self, talk: LogWriter, pattern: Mapping[str, Any]) -> None:
        self._draft(talk, self._rng.choice(self.texts["topics"]), self._fill(self._compose(pattern["rewrites"])))
