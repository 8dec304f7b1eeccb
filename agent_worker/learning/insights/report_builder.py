"""Builds the report of a period: finds groups of failures, and writes what is said about each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import blake2b

import numpy as np

from agent_worker.knowledge.text.analysis import content_words
from agent_worker.knowledge.vectors.encoder import Encoder
from agent_worker.learning.insights.cures import Cure, CureFinder
from agent_worker.learning.insights.failure_signals import SIGNALS, QuestionRecord, is_repeat
from agent_worker.learning.insights.group_finder import GroupFinder, QuestionGroup
from agent_worker.learning.insights.report import DocumentProposalText, InsightGroup, InsightReport, InsightTotals

MAX_GROUPS = 100
MAX_CONVERSATIONS = 500
EXAMPLES = 3
PARTS = 4
"""Parts of the period whose failures are counted by themselves."""
_SMALLEST, _LARGEST = 3, 10
"""Members that a group needs, with few questions and with many."""
_QUESTIONS_PER_MEMBER = 1_000
_MAX_TITLE_WORDS = 4
_MIN_LENGTH = 3


def build_report(
    questions: Sequence[QuestionRecord],
    encoder: Encoder | None,
    since: datetime,
    until: datetime,
    *,
    sampled_every: int = 1,
) -> InsightReport:
    """Find the groups of these questions, and a cure for each. ``sampled_every``: they are of every so many
    conversations. Needs scikit-learn. Blocking."""
    failed = [question for question in questions if question.signals]
    totals = InsightTotals(
        questions=len(questions),
        failed=len(failed),
        grouped=0,
        by_signal={kind: count for kind in SIGNALS if (count := sum(kind in each.signals for each in failed))},
        sampled_every=sampled_every,
    )
    if len(failed) < _SMALLEST:
        return InsightReport(groups=[], totals=totals)
    min_size = min(_LARGEST, max(_SMALLEST, len(questions) // _QUESTIONS_PER_MEMBER))
    finder = GroupFinder(questions, encoder, min_size)
    writer = _GroupWriter(finder, CureFinder(finder, encoder), since, until)
    found = finder.find()
    grouped = sum(len(group.rows) for group in found)
    groups = [writer.write(group) for group in found[:MAX_GROUPS]]
    return InsightReport(groups=groups, totals=totals.model_copy(update={"grouped": grouped}))


class _GroupWriter:
    """Writes what the report says about a group."""

    def __init__(self, finder: GroupFinder, cures: CureFinder, since: datetime, until: datetime) -> None:
        self._finder = finder
        self._cures = cures
        self._titles = _TitleWriter([question.text for question in finder.questions])
        self._since, self._length = since, (until - since) / PARTS

    def write(self, group: QuestionGroup) -> InsightGroup:
        questions = [self._finder.questions[row] for row in group.rows]
        signals = Counter(kind for question in questions for kind in question.signals)
        signal = Counter(question.signal for question in questions).most_common(1)[0][0] or SIGNALS[0]
        cure = self._cures.choose(group)
        typical = self._sort_by_typicality(group)
        title = self._write_title(group, questions)
        parts = self._count_by_part(questions)
        is_cited = sum(question.cites for question in questions) * 2 > len(questions)
        document = cure.document or (self._finder.main_document(group.rows) if is_cited else "")
        key = f"{group.view}\0{group.value}\0{document}\0{title}"
        return InsightGroup(
            id=blake2b(key.encode(), digest_size=8).hexdigest(),
            signal=signal,
            signals=dict(signals.most_common()),
            intent=_most_common([question.intent for question in questions]),
            title=title[:1].upper() + title[1:],
            count=len(questions),
            trend=_trend(parts),
            parts=parts,
            examples=list(dict.fromkeys(each.conversation for each in typical))[:EXAMPLES],
            conversations=list(dict.fromkeys(each.conversation for each in typical))[:MAX_CONVERSATIONS],
            asked=_choose_different(typical)[:EXAMPLES],
            document=document,
            cure=cure.kind,
            suggestion=cure.suggestion,
            proposal=_propose(cure, typical),
        )

    def _sort_by_typicality(self, group: QuestionGroup) -> list[QuestionRecord]:
        similarity = self._finder.vectors.similarity_to(group.rows)[group.rows]
        return [self._finder.questions[row] for row in group.rows[np.argsort(-similarity, kind="stable")]]

    def _write_title(self, group: QuestionGroup, questions: Sequence[QuestionRecord]) -> str:
        if group.view == "rewriting":
            return "drafts that people write anew"
        if group.value:
            return f"{group.view} {group.value}"
        texts = {
            "comment": ["\n".join(question.comments) for question in questions],
            "addition": [question.added for question in questions],
        }.get(group.view, [question.text for question in questions])
        return self._titles.write(texts) or questions[0].text[:80]

    def _count_by_part(self, questions: Sequence[QuestionRecord]) -> list[int]:
        places = Counter(min(PARTS - 1, (question.at - self._since) // self._length) for question in questions)
        return [places[place] for place in range(PARTS)]


def _trend(parts: Sequence[int]) -> float:
    early, late = sum(parts[: PARTS // 2]), sum(parts[PARTS // 2 :])
    return round((late - early) / max(1, late + early), 2)


def _most_common(values: Sequence[str]) -> str:
    """The value of more than half of them; empty if there is none."""
    value, count = Counter(values).most_common(1)[0]
    return value if count * 2 > len(values) else ""


def _choose_different(typical: Sequence[QuestionRecord]) -> list[str]:
    """What was asked, in a few wordings that differ."""
    chosen: list[str] = []
    for question in typical:
        text = " ".join(question.text.split())
        if len(chosen) <= EXAMPLES and text and not any(is_repeat(text, each) for each in chosen):
            chosen.append(text)
    return chosen


def _propose(cure: Cure, typical: Sequence[QuestionRecord]) -> DocumentProposalText | None:
    """The draft of a document, if people have answered."""
    if cure.kind != "document" or not cure.answer:
        return None
    question, *also = _choose_different(typical)
    lines = [f"## {question}", "", cure.answer]
    if also:
        lines += ["", "Also asked:", "", *(f"- {text}" for text in also)]
    names = sorted({name for each in typical for name in each.names})
    return DocumentProposalText(document=cure.document, title=question[:200], body="\n".join(lines), names=names)


# Titles of groups, from the words that their members use more often than all questions do.


class _TitleWriter:
    """``texts``: all questions of the period."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._count = max(1, len(texts))
        self._usual = _count_terms(texts)[0]

    def write(self, texts: Sequence[str]) -> str:
        """Up to four words, the most telling first; empty if the texts have no words."""
        terms, words = _count_terms(texts)
        scores = {
            term: count / len(texts) * math.log((self._count + 1) / (self._usual[term] + 1) + 1)
            for term, count in terms.items()
            if (count > 1 or len(texts) < _MIN_LENGTH) and _is_telling(words[term].most_common(1)[0][0])
        }
        best = sorted(scores, key=lambda term: (-scores[term], term))[:_MAX_TITLE_WORDS]
        return ", ".join(words[term].most_common(1)[0][0] for term in best)


def _is_telling(word: str) -> bool:
    return len(word) >= _MIN_LENGTH and not any(letter.isdigit() for letter in word)


def _count_terms(texts: Iterable[str]) -> tuple[Counter[str], dict[str, Counter[str]]]:
    """Term → texts with it, and term → the words that stand for it."""
    terms: Counter[str] = Counter()
    words: dict[str, Counter[str]] = {}
    for text in texts:
        found = content_words(text)
        terms.update(set(found.values()))
        for word, term in found.items():
            words.setdefault(term, Counter())[word] += 1
    return terms, words
