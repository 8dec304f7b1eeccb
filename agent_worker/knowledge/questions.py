"""A contact's message as focused queries: nobody retrieves well from a whole story."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent_worker.knowledge.analysis import terms
from schemas.messages import TranscriptMessage

MOST = 3
# Contacts write without capitals, so any stop ends a sentence here.
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_ASKS = re.compile(
    r"^\W*(?:and |so |but |or )?(?:how|what|whats|when|where|which|who|why|can|could|should|shall|do|does|did|is|are|"
    r"will|would|may|must|am|any)\b",
    re.IGNORECASE,
)
_FOLLOW_UP = re.compile(r"^\s*(?:and|but|or|so|what about|how about|what if|even|also|then)\b", re.IGNORECASE)
_REFERS = re.compile(r"\b(?:it|that|this|they|them|those|these|there|one)\b", re.IGNORECASE)


def focused(text: str) -> list[str]:
    """The whole text first; for a long one also each sentence that says enough by itself, questions first."""
    sentences = [part for part in _SENTENCE.split(text) if len(set(terms(part))) >= 2]
    if len(sentences) < 2:
        return [text]
    asked = [sentence for sentence in sentences if asks(sentence)]
    rest = [sentence for sentence in sentences if not asks(sentence)]
    return [text, *(asked + rest)[: MOST - 1]]


def asks(sentence: str) -> bool:
    """Whether it reads as a question, with its mark or without."""
    return "?" in sentence or bool(_ASKS.match(sentence))


def with_context(text: str, history: Sequence[TranscriptMessage]) -> str:
    """A follow-up that cannot stand alone gets the contact's previous message before it."""
    said = set(terms(text))
    leans = len(text.split()) <= 2 or bool(_FOLLOW_UP.match(text)) or (len(said) <= 4 and bool(_REFERS.search(text)))
    if not leans:
        return text
    for line in reversed(history):
        if line.author.kind == "contact" and terms(line.text):
            return f"{line.text}\n{text}" if said else text
    return text
