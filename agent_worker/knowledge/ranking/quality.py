"""Quality of the agent's answers on questions with known documents: ``parley knowledge check``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent_worker.knowledge.text.query_splitting import with_context
from schemas.errors import Unprocessable
from schemas.ports import AnswerDraft, Knowledge, Model, Question, SearchResult


@dataclass(frozen=True, slots=True)
class CheckQuestion:
    """``documents`` contain the answer. Empty when none does and the agent must decline."""

    id: str
    text: str
    documents: frozenset[str]
    split: str


@dataclass(frozen=True, slots=True)
class QuestionResult:
    question: CheckQuestion
    answered: bool
    first_cited: str
    confidence: float
    first_found: str
    encoder: str = ""

    @property
    def correct(self) -> bool:
        return self.first_cited in self.question.documents if self.question.documents else not self.answered


@dataclass(frozen=True, slots=True)
class QualityMetrics:
    """Shares (0–1) of one split. ``cited``: answerable questions answered from a right document, cited first;
    ``declined``: unanswerable questions that were declined; ``found``: answerable questions whose first passage is from
    a right document. ``encoder``: name of the encoder used."""

    split: str
    answerable: int
    cited: float
    found: float
    unanswerable: int
    declined: float
    encoder: str = ""
    wrong: list[QuestionResult] = field(default_factory=list)


def read_questions(raw: Any) -> list[CheckQuestion]:
    """The questions of a parsed question file. Raises Unprocessable with the faulty entry."""
    entries = raw.get("questions") if isinstance(raw, Mapping) else raw
    if not isinstance(entries, list):
        raise Unprocessable("the question file must hold a list named questions")
    return [_parse_question(entry, number) for number, entry in enumerate(entries, 1)]


def _parse_question(entry: Any, number: int) -> CheckQuestion:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("question"), str) or "document" not in entry:
        raise Unprocessable(f"question {number}: id, question, document (or null) and split are needed")
    named = entry["document"]
    documents = [] if named is None else [named] if isinstance(named, str) else list(named)
    return CheckQuestion(
        str(entry.get("id", number)), entry["question"], frozenset(documents), str(entry.get("split", "test"))
    )


async def check(
    knowledge: Knowledge, model: Model, tenant: str, questions: Sequence[CheckQuestion]
) -> list[QualityMetrics]:
    """Ask every question as a turn would. Returns the metrics by split and, where there are several splits, of all
    together."""
    outcomes = [await ask(knowledge, model, tenant, question) for question in questions]
    splits = dict.fromkeys(question.split for question in questions)
    metrics = [summarize(split, [each for each in outcomes if each.question.split == split]) for split in splits]
    return [*metrics, summarize("all", outcomes)] if len(metrics) > 1 else metrics


async def ask(knowledge: Knowledge, model: Model, tenant: str, question: CheckQuestion) -> QuestionResult:
    found: SearchResult = await knowledge.search(tenant, with_context(question.text, []))
    draft: AnswerDraft = await model.answer(Question(tenant, question.text, [], found), _discard)
    return QuestionResult(
        question,
        draft.answered,
        draft.citations[0].document if draft.citations else "",
        found.confidence,
        found.passages[0].document if found.passages else "",
        found.encoder,
    )


async def _discard(sentence: str) -> None:
    """No stream: nobody watches."""


def summarize(split: str, outcomes: Sequence[QuestionResult]) -> QualityMetrics:
    answerable = [outcome for outcome in outcomes if outcome.question.documents]
    unanswerable = [outcome for outcome in outcomes if not outcome.question.documents]
    return QualityMetrics(
        split=split,
        answerable=len(answerable),
        cited=_share(outcome.correct for outcome in answerable),
        found=_share(outcome.first_found in outcome.question.documents for outcome in answerable),
        unanswerable=len(unanswerable),
        declined=_share(outcome.correct for outcome in unanswerable),
        encoder=next((outcome.encoder for outcome in outcomes if outcome.encoder), ""),
        wrong=[outcome for outcome in outcomes if not outcome.correct],
    )


def _share(facts: Any) -> float:
    counted = list(facts)
    return sum(counted) / len(counted) if counted else 1.0
