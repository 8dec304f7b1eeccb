"""Texts that say nearly the same, found by their words."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from agent_worker.grounding.numbers import find_quantities
from agent_worker.grounding.sentence_splitter import CITATION_MARK
from agent_worker.knowledge.text.analysis import words

Words = frozenset[str]


def read_words(text: str) -> Words:
    """The words of a text, each counted once, without citations."""
    return frozenset(word.casefold() for word in words(CITATION_MARK.sub(" ", text)))


def read_figures(text: str) -> frozenset[str]:
    """The figures of a text, in a common form."""
    return frozenset(f"{figure.value} {figure.unit}" for figure in find_quantities(CITATION_MARK.sub(" ", text)))


def overlap(one: Words, other: Words) -> float:
    """The share of their words that two texts have in common."""
    return len(one & other) / len(one | other) if one or other else 1.0


def find_similar_pairs(texts: Sequence[Words], least: float) -> Iterator[tuple[int, int]]:
    """The pairs of texts, by their positions, of which this share of words is the same. Texts without words are left
    out.

    Two texts that share so many words also share one of their rarest, so only those texts are compared."""
    frequency = Counter(word for text in texts for word in text)
    by_rare_word: dict[str, list[int]] = defaultdict(list)
    for at, text in enumerate(texts):
        ordered = sorted(text, key=lambda word: (frequency[word], word))
        rare = ordered[: len(text) - math.ceil(least * len(text)) + 1] if text else []
        near = {earlier for word in rare for earlier in by_rare_word[word]}
        for word in rare:
            by_rare_word[word].append(at)
        yield from ((earlier, at) for earlier in sorted(near) if overlap(texts[earlier], text) >= least)
