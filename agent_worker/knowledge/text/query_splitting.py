"""A contact's message as focused queries: nobody retrieves well from a whole story."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from agent_worker.knowledge.text.analysis import term, terms
from schemas.messages import TranscriptMessage

MOST = 3
"""Queries that one text is looked up by."""
_BRIEF = 2
"""Words of a question that says little by itself."""
ANSWERED = 8
"""Questions that one turn answers; further ones are named."""
# Contacts write without capitals, so any stop ends a sentence here.
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
# The same in scripts that put no space after a stop.
_ANY_SENTENCE = re.compile(r"(?<=[.!?؟])\s+|(?<=[。！？])\s*|\n+")
_ASKS = re.compile(
    r"^\W*(?:and |so |but |or )?(?:how|what|whats|when|where|which|who|why|can|could|should|shall|do|does|did|is|are|"
    r"will|would|may|must|am|any)\b",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"(?<=[.!?,;:])\s+|(?<!\s)\s+[–—-]\s+|\n+")
# With the stop words, what people say around a question: it is no part of what they ask.
_COURTESY = frozenset(map(term, ["advance", "excuse", "mean", "meant", "pardon", "question", "quick", "sorry", "team"]))
_FOLLOW_UP = re.compile(r"^\s*(?:and|but|or|so|what about|how about|what if|even|also|then)\b", re.IGNORECASE)
_REFERS = re.compile(r"\b(?:it|that|this|they|them|those|these|there|one)\b", re.IGNORECASE)


def to_the_point(text: str) -> str:
    """Without the greeting, the apology and the thanks around it; as it is when nothing else would be left."""
    cuts = [0, *(match.end() for match in _CLAUSE.finditer(text)), len(text)]
    spans = list(pairwise(cuts))
    said = [place for place, (start, end) in enumerate(spans) if not set(terms(text[start:end])) <= _COURTESY]
    return text[spans[said[0]][0] : spans[said[-1]][1]].strip() if said else text


def focused(text: str) -> list[str]:
    """The whole text first; for a long one also each sentence that says enough by itself, questions first."""
    sentences = [part for part in _SENTENCE.split(text) if len(set(terms(part))) >= 2]
    if len(sentences) < 2:
        return [text]
    asked = [sentence for sentence in sentences if asks(sentence)]
    rest = [sentence for sentence in sentences if not asks(sentence)]
    return [text, *(asked + rest)[: MOST - 1]]


def questions(text: str) -> list[str]:
    """Its sentences that ask for something by themselves."""
    return [part for part in _SENTENCE.split(text) if asks(part) and len(set(terms(part))) >= 2]


def asks(sentence: str) -> bool:
    """Whether it reads as a question, with its mark or without."""
    return any(mark in sentence for mark in "?？؟") or bool(_ASKS.match(sentence))


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing that waiting messages ask for: the ``words`` that ask, and ``text``, the same with what was said before
    it in the message. ``is_question`` False: it only says something, and may ask for it."""

    words: str
    text: str
    is_question: bool

    @property
    def leans(self) -> bool:
        """Whether it cannot be understood without what was asked before it."""
        said = set(terms(self.text))
        if len(said) < 2 and _FOLLOW_UP.match(self.words):
            return True
        return not said or (bool(_REFERS.search(self.words)) and len(said) <= 4)

    @property
    def is_brief(self) -> bool:
        """Whether it is a question that may miss a word of the one before: "pots back?"."""
        return self.is_question and len(set(terms(self.text))) <= _BRIEF


def sentences_of(text: str) -> list[str]:
    return [sentence for part in _ANY_SENTENCE.split(text) if (sentence := part.strip())]


def split_questions(messages: Sequence[str], is_wish: Callable[[str], bool] = lambda _: False) -> list[Asked]:
    """All that the messages ask for, in order. Of a message without a question, the whole may ask for something; what
    is nothing but courtesy does not. ``is_wish``: whether a sentence asks for something else than an answer."""
    found: list[Asked] = []
    for message in messages:
        said: list[str] = []
        for sentence in sentences_of(message):
            if is_wish(sentence):
                found += [Asked(" ".join(said), " ".join(said), False)] if said else []
                found.append(Asked(sentence, sentence, asks(sentence)))
                said = []
            elif asks(sentence) and (terms(sentence) or said or found):
                found.append(Asked(sentence, " ".join([*said, sentence]), True))
                said = []
            elif not set(terms(sentence)) <= _COURTESY:
                said.append(sentence)
        if said:
            found.append(Asked(" ".join(said), " ".join(said), False))
    return found


def with_context(text: str, history: Sequence[TranscriptMessage], about: str = "") -> str:
    """A follow-up that cannot stand alone gets what it is ``about`` before it (the words that it quotes, the title of
    the advertisement or product that it came from), else the contact's previous message."""
    if not _leans(text) or not (history or about):
        return text
    if about:
        return f"{about}\n{text}"
    for line in reversed(history):
        if line.author.kind == "contact" and terms(line.text):
            return f"{line.text}\n{text}" if terms(text) else text
    return text


def _leans(text: str) -> bool:
    if len(text.split()) <= 2 or _FOLLOW_UP.match(text):
        return True
    return bool(_REFERS.search(text)) and len(set(terms(text))) <= 4
