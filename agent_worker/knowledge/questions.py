"""A contact's message as focused queries: nobody retrieves well from a whole story."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent_worker.knowledge.analysis import terms
from agent_worker.knowledge.sentences import sentence_spans
from schemas.messages import TranscriptMessage

MOST = 4
_FOLLOW_UP = re.compile(r"^\s*(?:and|but|or|so|what about|how about|what if|even|also|then)\b", re.IGNORECASE)
_REFERS = re.compile(r"\b(?:it|that|this|they|them|those|these|there|one)\b", re.IGNORECASE)


def focused(text: str) -> list[str]:
    """The whole text first; for a long one also each sentence that says enough by itself, questions first."""
    sentences = [text[start:end].strip() for start, end in sentence_spans(text)]
    sentences = [part for sentence in sentences for part in sentence.split("\n") if len(set(terms(part))) >= 2]
    if len(sentences) < 2:
        return [text]
    asked = [sentence for sentence in sentences if "?" in sentence]
    rest = [sentence for sentence in sentences if "?" not in sentence]
    return [text, *(asked + rest)[: MOST - 1]]


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
