"""A contact's message as focused queries: nobody retrieves well from a whole story."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from agent_worker.knowledge.analysis import term, terms
from schemas.messages import TranscriptMessage

MOST = 3
# Contacts write without capitals, so any stop ends a sentence here.
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_ASKS = re.compile(
    r"^\W*(?:and |so |but |or )?(?:how|what|whats|when|where|which|who|why|can|could|should|shall|do|does|did|is|are|"
    r"will|would|may|must|am|any)\b",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"(?<=[.!?,;:])\s+|\s+[–—-]\s+|\n+")
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
    return "?" in sentence or bool(_ASKS.match(sentence))


def apart(messages: Sequence[str]) -> list[str]:
    """Messages that wait together, where each asks for something that can be looked up without the others. Empty where
    they are to be read as one; very many always are."""
    if len(messages) < 2:  # as mostly
        return []
    texts = [text for text in messages if not set(terms(text)) <= _COURTESY]
    if not 2 <= len(texts) <= MOST or any(_leans(text) or not questions(text) for text in texts):
        return []
    return texts


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
