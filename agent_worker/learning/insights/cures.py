"""The cheapest cure that fits a group of failures: a document, the prompt, the routing, an action, or tuning.

It follows from the way the members of the group differ, not from what their words mean: whether another route answers
the same questions, whether people answer all of them alike, whether each answer depends on the contact's own data, and
whether the failures are spread over all documents."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agent_worker.knowledge.vectors.encoder import Encoder
from agent_worker.learning.insights.failure_signals import QuestionRecord
from agent_worker.learning.insights.group_finder import GroupFinder, QuestionGroup
from agent_worker.learning.insights.report import CureKind
from agent_worker.learning.insights.text_vectors import Rows, TextVectors

_MIN_CASES = 5
"""Questions that another route has answered, or answers of people, before anything is concluded from them."""
_MAX_FAILED = 0.25
_MIN_FAILED = 0.4
"""Shares of failures: at most of a route that works, and at least of one that does not."""
_MIN_PERSONAL = 0.5
"""The share of questions with a number of the contact's own, from which the answer depends on it."""
_MIN_AGREEMENT = 0.3
"""Mean similarity of people's answers from which they say the same."""
_MIN_SAME_FIGURES = 0.4
_MAX_COHESION = 0.15
"""Mean similarity of questions below which they are about different things."""
_OWN_NUMBER = re.compile(r"(?<![\w-])(?=(?:[^\W\d]|-){0,8}\d{3})[\w-]{5,24}(?![\w-])")
_FIGURE = re.compile(r"\d+(?:[.,]\d+)*")
_MAX_COMPARED = 200


@dataclass(frozen=True, slots=True)
class Cure:
    """``document``: the one to correct, if it is one. ``answer``: what people answer most typically, if they agree."""

    kind: CureKind
    suggestion: str
    document: str = ""
    answer: str = ""


class CureFinder:
    def __init__(self, finder: GroupFinder, encoder: Encoder | None) -> None:
        self._finder = finder
        self._encoder = encoder

    def choose(self, group: QuestionGroup) -> Cure:
        """The cheapest cure that fits."""
        if group.view == "action":
            reasons = Counter(each.action.partition(": ")[2] for each in self._questions(group.rows))
            often = ", ".join(reason for reason, _ in reasons.most_common(2))
            return Cure("action", f"Repair the action {group.value}: {often}.")
        if group.view == "question":
            return self._choose_for_topic(group)
        if group.view == "comment":
            return self._choose_for_comments(group)
        if group.view == "addition":
            return self._choose_for_additions(group)
        if group.view == "rewriting":
            return Cure(
                "tuning",
                "People write these drafts anew, each in another way. Their answers are examples to tune a model on.",
            )
        return self._choose_for_value(group)

    def _questions(self, rows: Rows) -> list[QuestionRecord]:
        return [self._finder.questions[row] for row in rows]

    # ── questions about one topic ────────────────────────────────────────────────────────────────────────────────────

    def _choose_for_topic(self, group: QuestionGroup) -> Cure:
        if (better := self._find_better_route(group)) is not None:
            failing, working = better
            return Cure("routing", f"Send these questions to {working}: it answers them, and {failing} does not.")
        if self._is_personal(group.rows):
            return Cure(
                "action",
                "The answer depends on the contact's own data. Give the agent an action that reads or changes it.",
            )
        answers = [each for each in self._questions(group.rows) if each.correction.strip()]
        document = self._finder.main_document(group.rows)
        cites = sum(each.cites for each in self._questions(group.rows)) * 2 > len(group.rows)
        if len(answers) >= max(2, min(_MIN_CASES, len(group.rows) // 3)):
            typical = self._find_agreement([each.correction for each in answers])
            if not typical and len(answers) * 2 > len(group.rows):
                return Cure("routing", "People answer each of these in another way. Pass them to people at once.")
            if typical and cites:
                return Cure("document", f"Correct the document {document}: people answer otherwise.", document, typical)
            return Cure("document", "Write a document about it, from what people answered.", answer=typical)
        if cites and document:
            return Cure("document", f"Check the document {document}: its answer does not satisfy.", document)
        if cites:
            return Cure(
                "prompt", "The answers come from several documents. Tell the agent how to answer these questions."
            )
        if document:
            return Cure(
                "document", f"Add the answer to {document}: the agent offered it, and it did not help.", document
            )
        return Cure("document", "Write a document about it: no document answers this, and nobody else has.")

    def _find_better_route(self, group: QuestionGroup) -> tuple[str, str] | None:
        """The route that fails these questions, and one that answers them."""
        failed = {int(row) for row in group.rows}
        tried: Counter[str] = Counter()
        missed: Counter[str] = Counter()
        for row in group.near:
            question = self._finder.questions[row]
            if question.route and question.route != "person" and question.outcome in ("answer", "action", "declined"):
                tried[question.route] += 1
                missed[question.route] += question.signal is not None or int(row) in failed
        share = {route: missed[route] / count for route, count in tried.items() if count >= _MIN_CASES}
        if len(share) < 2:
            return None
        worst, best = max(share, key=lambda each: share[each]), min(share, key=lambda each: share[each])
        return (worst, best) if share[worst] >= _MIN_FAILED and share[best] <= _MAX_FAILED else None

    def _is_personal(self, rows: Rows) -> bool:
        """True if most questions name something of the contact's own, such as an order, and people's answers too."""
        questions = self._questions(rows)
        named = [each for each in questions if _OWN_NUMBER.search(each.text)]
        if len(named) < _MIN_PERSONAL * len(questions):
            return False
        answers = [each for each in named if each.correction.strip()]
        numbers = {text for each in named for text in _OWN_NUMBER.findall(each.text)}
        return len(numbers) > 1 and (
            not answers or len({tuple(_OWN_NUMBER.findall(each.text)) for each in answers}) > 1 or len(answers) < 2
        )

    def _find_agreement(self, answers: Sequence[str]) -> str:
        """The answer that is most like all others; empty if people do not say the same."""
        vectors = TextVectors(answers[:_MAX_COMPARED], self._encoder, common=self._finder.vectors)
        rows = np.arange(len(vectors.texts))
        if vectors.cohesion(rows) < _MIN_AGREEMENT and _share_of_same_figures(vectors.texts) < _MIN_SAME_FIGURES:
            return ""
        return vectors.texts[int(vectors.similarity_to(rows).argmax())]

    # ── anything else in common ──────────────────────────────────────────────────────────────────────────────────────

    def _choose_for_comments(self, group: QuestionGroup) -> Cure:
        document = self._finder.main_document(group.rows)
        if document:
            return Cure(
                "document", f"Check the document {document}: contacts say the same about its answers.", document
            )
        return Cure(
            "prompt", "Contacts say the same about answers from many documents. Change the voice or the instructions."
        )

    def _choose_for_additions(self, group: QuestionGroup) -> Cure:
        added = Counter(each.added for each in self._questions(group.rows)).most_common(1)[0][0]
        if self._finder.vectors.cohesion(group.rows) > _MAX_COHESION:
            return Cure(
                "document", "People add the same to answers about one subject. Add it to the document.", answer=added
            )
        return Cure(
            "prompt", f"People add this to answers of all kinds, so the instructions should ask for it: {added}"
        )

    def _choose_for_value(self, group: QuestionGroup) -> Cure:
        if group.view == "model":
            return Cure(
                "tuning", f"{group.value} fails with the instructions that other models follow. Tune it, or replace it."
            )
        return Cure("prompt", f"Answers fail with the {group.view} {group.value}. Give instructions for it.")


def _share_of_same_figures(texts: Sequence[str]) -> float:
    """The share of pairs of texts that name a figure in common."""
    figures = [frozenset(_FIGURE.findall(text)) for text in texts[:40]]
    pairs = [(one, other) for number, one in enumerate(figures) for other in figures[:number]]
    return sum(bool(one & other) for one, other in pairs) / len(pairs) if pairs else 0.0
