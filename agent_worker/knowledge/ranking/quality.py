"""Figures of the agent's answers on questions with known documents: ``parley knowledge check``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent_worker.knowledge.text.query_splitting import with_context
from schemas.errors import Unprocessable
from schemas.ports import Draft, Found, Knowledge, Model, Question


@dataclass(frozen=True, slots=True)
class Asked:
    """``documents`` hold the answer; empty when none does, and the agent must say so."""

    id: str
    text: str
    documents: frozenset[str]
    split: str


@dataclass(frozen=True, slots=True)
class Outcome:
    asked: Asked
    answered: bool
    first_cited: str
    confidence: float
    first_found: str
    encoder: str = ""

    @property
    def right(self) -> bool:
        return self.first_cited in self.asked.documents if self.asked.documents else not self.answered


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares 0–1 of one split. ``cited``: answerable questions answered from a right document, cited first;
    ``declined``: unanswerable ones declined; ``found``: answerable ones with a right document found first. ``encoder``
    names what the documents were compared by."""

    split: str
    answerable: int
    cited: float
    found: float
    unanswerable: int
    declined: float
    encoder: str = ""
    wrong: list[Outcome] = field(default_factory=list)


def read_questions(raw: Any) -> list[Asked]:
    """From the parsed question file. Raises Unprocessable with the entry at fault."""
    entries = raw.get("questions") if isinstance(raw, Mapping) else raw
    if not isinstance(entries, list):
        raise Unprocessable("the question file must hold a list named questions")
    return [_asked(entry, number) for number, entry in enumerate(entries, 1)]


def _asked(entry: Any, number: int) -> Asked:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("question"), str) or "document" not in entry:
        raise Unprocessable(f"question {number}: id, question, document (or null) and split are needed")
    named = entry["document"]
    documents = [] if named is None else [named] if isinstance(named, str) else list(named)
    return Asked(str(entry.get("id", number)), entry["question"], frozenset(documents), str(entry.get("split", "test")))


async def check(knowledge: Knowledge, model: Model, tenant: str, questions: Sequence[Asked]) -> list[Figures]:
    """Ask every question as a turn would, and count, by split; last, where there are several, all together."""
    outcomes = [await ask(knowledge, model, tenant, question) for question in questions]
    splits = dict.fromkeys(question.split for question in questions)
    counted = [figures(split, [each for each in outcomes if each.asked.split == split]) for split in splits]
    return [*counted, figures("all", outcomes)] if len(counted) > 1 else counted


async def ask(knowledge: Knowledge, model: Model, tenant: str, asked: Asked) -> Outcome:
    found: Found = await knowledge.search(tenant, with_context(asked.text, []))
    draft: Draft = await model.answer(Question(tenant, asked.text, [], found), _discard)
    return Outcome(
        asked,
        draft.answered,
        draft.citations[0].document if draft.citations else "",
        found.confidence,
        found.passages[0].document if found.passages else "",
        found.encoder,
    )


async def _discard(sentence: str) -> None:
    """Nobody watches."""


def figures(split: str, outcomes: Sequence[Outcome]) -> Figures:
    held = [outcome for outcome in outcomes if outcome.asked.documents]
    absent = [outcome for outcome in outcomes if not outcome.asked.documents]
    return Figures(
        split=split,
        answerable=len(held),
        cited=_share(outcome.right for outcome in held),
        found=_share(outcome.first_found in outcome.asked.documents for outcome in held),
        unanswerable=len(absent),
        declined=_share(outcome.right for outcome in absent),
        encoder=next((outcome.encoder for outcome in outcomes if outcome.encoder), ""),
        wrong=[outcome for outcome in outcomes if not outcome.right],
    )


def _share(facts: Any) -> float:
    counted = list(facts)
    return sum(counted) / len(counted) if counted else 1.0
