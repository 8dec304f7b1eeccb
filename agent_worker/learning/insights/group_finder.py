"""Groups of questions that failed alike: by the action that failed, by what was asked, by what was said about the
answer, or by the model that answered.

A topic that is asked often also fails often. So a group counts only if its share of failures is far above the share of
all questions, or of those that other models answered."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from sklearn.cluster import AgglomerativeClustering

from agent_worker.knowledge.text.analysis import terms
from agent_worker.knowledge.vectors.encoder import Encoder
from agent_worker.learning.insights.failure_signals import QuestionRecord, SignalKind
from agent_worker.learning.insights.text_vectors import Rows, TextVectors

View = Literal["action", "question", "comment", "addition", "rewriting", "model", "language", "channel"]
"""What the members of a group have in common."""

UNANSWERED: frozenset[SignalKind] = frozenset({"declined", "suggestion_refused"})
COMPLAINTS: frozenset[SignalKind] = frozenset(
    {"thumb_down", "low_rating", "person_took_over", "repeated_question", "reopened"}
)
MIN_LIFT = 3.0
"""A group fails at least this many times as often as all questions do."""
SURE_SHARE = 0.5
"""From this share of failures on, a group counts in any case."""
MIN_SHARE = 0.05
"""A model, language or channel with a smaller share of failures is none of the problems."""
REWRITTEN = 0.5
"""A draft of which a larger share was dropped was written anew."""
SIMILARITY_STEP = 0.13
MAX_SIMILARITY = 0.45
"""Steps in which a broad cluster is divided, and where that ends."""
MERGE_SIMILARITY = 0.15
"""Mean similarity of questions from which two groups become one."""
SAME_CORRECTION = 0.33
"""Mean similarity of people's answers from which two groups become one."""
_MIN_CORRECTIONS = 3
_MAX_CORRECTIONS = 60
COMMENT_SIMILARITY = 0.12
"""Mean similarity from which groups of comments or additions become one: they are shorter than questions."""
MAX_CLUSTERED = 4_000
"""Texts that are compared with each other, which takes 128 MB. The others join the nearest cluster."""
MIN_SIMILARITY = 0.22
"""Mean similarity of two clusters from which they become one."""
_MIN_TERMS = 2
"""Comments with fewer words say only that the contact was not satisfied."""


@dataclass(slots=True)
class QuestionGroup:
    """``rows``: the questions that failed. ``near``: all questions of the same kind, also those that went well.
    ``value``: the action, model, language or channel that they have in common."""

    view: View
    rows: Rows
    near: Rows = field(default_factory=lambda: np.empty(0, np.intp))
    value: str = ""


class GroupFinder:
    """``questions``: all of the period, also those that went well."""

    def __init__(self, questions: Sequence[QuestionRecord], encoder: Encoder | None, min_size: int) -> None:
        self.questions = questions
        self.vectors = TextVectors([question.text for question in questions], encoder)
        self._encoder = encoder
        self._min_size = min_size
        corrected = [row for row, question in enumerate(questions) if question.correction.strip()]
        self.corrections = TextVectors([questions[row].correction for row in corrected], encoder, common=self.vectors)
        """What people answered instead, for the questions where they did."""
        self._corrected = np.full(len(questions), -1, np.intp)
        self._corrected[corrected] = np.arange(len(corrected))
        self._signals: list[SignalKind | None] = [question.signal for question in questions]

    def find(self) -> list[QuestionGroup]:
        """The groups, the largest first. A question is in one group at most."""
        groups = [
            *self._find_by_value("action", self._rows_of({"action_failed"}), lambda each: each.action.split(":")[0]),
            *self._find_by_question(self._rows_of(UNANSWERED)),
            *self._find_refusals(self._rows_of({"gate_refused"})),
            *self._find_complaints(self._rows_of(COMPLAINTS)),
            *self._find_drafts(self._rows_of({"draft_edited"})),
        ]
        groups = self._merge(groups)
        return sorted(groups, key=lambda group: len(group.rows), reverse=True)

    def _rows_of(self, kinds: Iterable[SignalKind]) -> Rows:
        wanted = frozenset(kinds)
        return np.array([row for row, signal in enumerate(self._signals) if signal in wanted], np.intp)

    # ── by what was asked ────────────────────────────────────────────────────────────────────────────────────────────

    def _find_by_question(self, rows: Rows) -> list[QuestionGroup]:
        usual = len(rows) / max(1, len(self.questions))
        groups = self._find_frequent(rows, rows, min(SURE_SHARE, max(MIN_SHARE, MIN_LIFT * usual)), MIN_SIMILARITY)
        return [group for group in self._merge(groups) if len(group.rows) >= self._min_size]

    def _find_frequent(self, rows: Rows, failed: Rows, min_share: float, min_similarity: float) -> list[QuestionGroup]:
        """Clusters of these rows of which a large share has failed. A cluster that is too broad for that is divided
        further: only a part of its subject may be the problem."""
        groups = []
        for found in _cluster(self.vectors, rows, max(2, self._min_size // 3), min_similarity):
            near = self._find_near(found)
            if len(np.intersect1d(near, failed)) >= min_share * len(near):
                groups.append(QuestionGroup("question", found, near))
            elif min_similarity < MAX_SIMILARITY:
                groups += self._find_frequent(found, failed, min_share, min_similarity + SIMILARITY_STEP)
        return groups

    def _find_near(self, rows: Rows) -> Rows:
        """All questions that are as similar to the members as most members are."""
        similarity = self.vectors.similarity_to(rows)
        least = float(np.quantile(similarity[rows], 0.2))
        return np.flatnonzero(similarity >= least)

    def _merge(self, groups: list[QuestionGroup]) -> list[QuestionGroup]:
        """Join groups about one document, of similar questions, or to which people answer the same."""
        merged: list[QuestionGroup] = []
        for group in sorted(groups, key=lambda each: len(each.rows), reverse=True):
            home = next((each for each in merged if self._belong_together(each, group)), None)
            if home is None:
                merged.append(group)
            else:
                home.rows = np.union1d(home.rows, group.rows)
                home.near = np.union1d(home.near, group.near)
        return merged

    def _belong_together(self, one: QuestionGroup, other: QuestionGroup) -> bool:
        if one.view != "question" or other.view != "question":
            return False
        document = self.main_document(one.rows)
        if document and document == self.main_document(other.rows):
            return True
        if self.vectors.mean_similarity(one.rows, other.rows) >= MERGE_SIMILARITY:
            return True
        return self._compare_corrections(one.rows, other.rows) >= SAME_CORRECTION

    def _compare_corrections(self, rows: Rows, others: Rows) -> float:
        """The mean similarity of what people answered; 0 if they hardly answered."""
        places = [_choose_rows(self._corrected[each]) for each in (rows, others)]
        if min(map(len, places)) < _MIN_CORRECTIONS:
            return 0.0
        return self.corrections.mean_similarity(*places)

    def main_document(self, rows: Rows) -> str:
        """The document that more than half of these answers cite or suggest; empty if there is none."""
        chosen = [self.questions[row] for row in rows]
        cited = Counter(each.document for each in chosen if each.cites or each.signal == "suggestion_refused")
        cited.pop("", None)
        document, count = cited.most_common(1)[0] if cited else ("", 0)
        return document if count * 2 > len(rows) else ""

    # ── by what else they have in common ─────────────────────────────────────────────────────────────────────────────

    def _find_by_value(self, view: View, rows: Rows, value_of: Callable[[QuestionRecord], str]) -> list[QuestionGroup]:
        by_value: dict[str, list[int]] = defaultdict(list)
        for row in rows:
            by_value[value_of(self.questions[row])].append(int(row))
        return [
            QuestionGroup(view, np.array(found, np.intp), np.array(found, np.intp), value)
            for value, found in by_value.items()
            if value and len(found) >= self._min_size
        ]

    def _find_refusals(self, rows: Rows) -> list[QuestionGroup]:
        """Texts that the gate refused: about one topic, or of one model."""
        groups = self._find_by_question(rows)
        rest = _remove_grouped(rows, groups)
        return [*groups, *self._find_unusual("model", rest, lambda each: each.refused_model or each.model)]

    def _find_complaints(self, rows: Rows) -> list[QuestionGroup]:
        groups = self._find_by_question(rows)
        rest = _remove_grouped(rows, groups)
        groups += self._find_by_text("comment", rest, lambda each: "\n".join(each.comments))
        for view, value_of in _VALUES.items():
            groups += self._find_unusual(view, _remove_grouped(rest, groups), value_of)
        return groups

    def _find_drafts(self, rows: Rows) -> list[QuestionGroup]:
        """Drafts that got the same addition, those about one topic, and those that people wrote anew."""
        heavy = np.array([row for row in rows if self.questions[row].lost >= REWRITTEN], np.intp)
        groups = self._find_by_text("addition", np.setdiff1d(rows, heavy), lambda each: each.added)
        groups += self._find_by_question(_remove_grouped(rows, groups))
        rest = _remove_grouped(heavy, groups)
        return [*groups, QuestionGroup("rewriting", rest, rest)] if len(rest) >= self._min_size else groups

    def _find_by_text(self, view: View, rows: Rows, text_of: Callable[[QuestionRecord], str]) -> list[QuestionGroup]:
        """Groups of similar texts about the answers."""
        texts = [text_of(self.questions[row]) for row in rows]
        told = [place for place, text in enumerate(texts) if len(set(terms(text))) >= _MIN_TERMS]
        if len(told) < self._min_size:
            return []
        vectors = TextVectors([texts[place] for place in told], self._encoder, common=self.vectors)
        found = _cluster(vectors, np.arange(len(told)), self._min_size, COMMENT_SIMILARITY)
        return [QuestionGroup(view, rows[np.array(told, np.intp)[places]]) for places in found]

    def _find_unusual(self, view: View, rows: Rows, value_of: Callable[[QuestionRecord], str]) -> list[QuestionGroup]:
        """Groups of a value with which questions fail far more often than with others."""
        every = Counter(value_of(question) for question in self.questions)
        failed = Counter(value_of(self.questions[row]) for row in rows)
        groups = []
        for group in self._find_by_value(view, rows, value_of):
            others = sum(every.values()) - every[group.value]
            share = failed[group.value] / every[group.value]
            usual = (failed.total() - failed[group.value]) / others if others else 0.0
            if others and share >= max(MIN_SHARE, MIN_LIFT * usual):
                group.near = np.array(
                    [row for row, question in enumerate(self.questions) if value_of(question) == group.value], np.intp
                )
                groups.append(group)
        return groups


_VALUES: dict[View, Callable[[QuestionRecord], str]] = {
    "model": lambda question: question.model,
    "language": lambda question: question.language,
    "channel": lambda question: question.channel,
}


def _choose_rows(rows: Rows) -> Rows:
    """The first of those that are there; more would only take longer."""
    return rows[rows >= 0][:_MAX_CORRECTIONS]


def _remove_grouped(rows: Rows, groups: Iterable[QuestionGroup]) -> Rows:
    for group in groups:
        rows = np.setdiff1d(rows, group.rows)
    return rows


# Clusters of similar texts, by average linkage.


def _cluster(vectors: TextVectors, rows: Rows, min_size: int, min_similarity: float = MIN_SIMILARITY) -> list[Rows]:
    """The clusters of at least ``min_size`` of these rows, the largest first."""
    if len(rows) < max(2, min_size):
        return []
    chosen = rows if len(rows) <= MAX_CLUSTERED else _sample(rows)
    distances = np.clip(1.0 - vectors.similarity(chosen, chosen).astype(np.float64), 0.0, 2.0)
    np.fill_diagonal(distances, 0.0)
    labels = AgglomerativeClustering(
        n_clusters=None, metric="precomputed", linkage="average", distance_threshold=1.0 - min_similarity
    ).fit_predict(distances)
    del distances
    found = [chosen[labels == label] for label in np.unique(labels)]
    if len(chosen) < len(rows):
        found = _assign(vectors, found, np.setdiff1d(rows, chosen), min_similarity)
    return sorted((each for each in found if len(each) >= min_size), key=len, reverse=True)


def _sample(rows: Rows) -> Rows:
    """Evenly spread, so that every time of the period is represented."""
    return rows[np.linspace(0, len(rows) - 1, MAX_CLUSTERED).astype(np.intp)]


def _assign(vectors: TextVectors, clusters: list[Rows], others: Rows, min_similarity: float) -> list[Rows]:
    """Add each of the others to the cluster that is nearest to it."""
    large = [each for each in clusters if len(each) > 1]
    if not large:
        return clusters
    near = np.stack([vectors.similarity_to(each)[others] for each in large])
    best = near.argmax(axis=0)
    is_near = near.max(axis=0) >= min_similarity
    return [np.concatenate([each, others[(best == number) & is_near]]) for number, each in enumerate(large)]
