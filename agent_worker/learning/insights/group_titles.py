"""Titles of groups, from the words that their members use more often than all questions do."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from agent_worker.knowledge.text.analysis import content_words

_MAX_WORDS = 4
_MIN_LENGTH = 3


class TitleWriter:
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
        best = sorted(scores, key=lambda term: (-scores[term], term))[:_MAX_WORDS]
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
