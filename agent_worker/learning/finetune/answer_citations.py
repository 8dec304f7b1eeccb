"""Citations in an answer that a person wrote: models must name the passage of each sentence, people do not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent_worker.grounding.gate import is_courtesy
from agent_worker.grounding.numbers import find_quantities, missing_quantities
from agent_worker.grounding.sentence_splitter import split_sentences
from agent_worker.knowledge.text.analysis import terms
from agent_worker.models.prompt import NOT_FOUND
from schemas.ports import Passage

MIN_SUPPORT = 0.5
"""The share of a sentence's words that are in the passage it is taken from."""
_MARK = re.compile(r"\s{0,4}\[\d{1,3}\]")
_SENTENCE_ENDS = ".!?…"


@dataclass(frozen=True, slots=True)
class CitedAnswer:
    """``cited``: the passages that sentences are taken from. ``has_other_figures``: it names a figure that is neither
    in the passages nor in what the contact wrote."""

    text: str
    cited: Sequence[Passage]
    has_other_figures: bool


DECLINED = CitedAnswer(NOT_FOUND, (), False)
"""What models write when the passages do not answer."""


def cite_answer(text: str, passages: Sequence[Passage], asked: str) -> CitedAnswer:
    """Add the number of its passage to each sentence that is taken from one, as the instructions demand."""
    sentences = [_MARK.sub("", sentence).strip() for sentence in split_sentences(text)]
    cited: dict[int, Passage] = {}
    written: list[str] = []
    for sentence in filter(None, sentences):
        # The gate lets thanks and greetings pass without a source, and a source for them would be a wrong one.
        n = 0 if is_courtesy(sentence) else _find_passage(sentence, passages)
        if n:
            cited[n] = passages[n - 1]
        written.append(_add_mark(sentence, n) if n else sentence)
    known = find_quantities("\n".join([asked, *(f"{one.title}\n{one.heading}\n{one.text}" for one in passages)]))
    others = missing_quantities(find_quantities(" ".join(filter(None, sentences))), known)
    return CitedAnswer(" ".join(written), list(cited.values()), bool(others))


def read_marks(text: str, passages: Sequence[Passage]) -> list[Passage]:
    """The passages that a model's answer names."""
    numbers = {int(mark.strip(" []\n")) for mark in _MARK.findall(text)}
    return [passage for n, passage in enumerate(passages, 1) if n in numbers]


def _find_passage(sentence: str, passages: Sequence[Passage]) -> int:
    """The number of the passage that holds most of the sentence's words and all of its figures; 0 if none does."""
    words = set(terms(sentence))
    figures = find_quantities(sentence)
    best, support = 0, MIN_SUPPORT
    for n, passage in enumerate(passages, 1):
        source = f"{passage.title}\n{passage.heading}\n{passage.text}"
        if missing_quantities(figures, find_quantities(source)):
            continue
        share = len(words & set(terms(source))) / len(words) if words else 0.0
        if share > support or (share == support and not best):
            best, support = n, share
    return best


def _add_mark(sentence: str, n: int) -> str:
    whole = sentence.rstrip()
    text = whole.rstrip(_SENTENCE_ENDS)
    return f"{text} [{n}]{whole[len(text) :]}"
