"""Splitting of contacts' messages into focused queries and questions: retrieval with a whole story works badly."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from agent_worker.knowledge.text.analysis import term, terms
from schemas.messages import TranscriptMessage

MAX_QUERIES = 3
"""Queries made from one text."""
_BRIEF_TERMS = 2
"""Terms of a question that says little by itself."""
MAX_QUESTIONS = 8
"""Questions that one turn answers. It names the remaining ones."""
# Contacts write without capitals, so any full stop ends a sentence.
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
# The same for scripts without a space after the full stop.
_ANY_SENTENCE = re.compile(r"(?<=[.!?؟])\s+|(?<=[。！？])\s*|\n+")
_ASKS = re.compile(
    r"^\W*(?:and |so |but |or )?(?:how|what|whats|when|where|which|who|why|can|could|should|shall|do|does|did|is|are|"
    r"will|would|may|must|am|any)\b",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"(?<=[.!?,;:])\s+|(?<!\s)\s+[–—-]\s+|\n+")
# Polite words around a question, in addition to the stop words.
_COURTESY_TERMS = frozenset(
    map(term, ["advance", "excuse", "mean", "meant", "pardon", "question", "quick", "sorry", "team"])
)
_FOLLOW_UP = re.compile(r"^\s*(?:and|but|or|so|what about|how about|what if|even|also|then)\b", re.IGNORECASE)
_REFERS = re.compile(r"\b(?:it|that|this|they|them|those|these|there|one)\b", re.IGNORECASE)


def strip_courtesies(text: str) -> str:
    """The text without greeting, apology and thanks; unchanged when nothing else would remain."""
    cuts = [0, *(match.end() for match in _CLAUSE.finditer(text)), len(text)]
    spans = list(pairwise(cuts))
    relevant = [place for place, (start, end) in enumerate(spans) if not set(terms(text[start:end])) <= _COURTESY_TERMS]
    return text[spans[relevant[0]][0] : spans[relevant[-1]][1]].strip() if relevant else text


def focused_queries(text: str) -> list[str]:
    """The whole text first; for a long one also each sentence that can stand alone, questions first."""
    sentences = [part for part in _SENTENCE.split(text) if len(set(terms(part))) >= 2]
    if len(sentences) < 2:
        return [text]
    asked = [sentence for sentence in sentences if is_question(sentence)]
    rest = [sentence for sentence in sentences if not is_question(sentence)]
    return [text, *(asked + rest)[: MAX_QUERIES - 1]]


def questions(text: str) -> list[str]:
    """The sentences that ask something by themselves."""
    return [part for part in _SENTENCE.split(text) if is_question(part) and len(set(terms(part))) >= 2]


def is_question(sentence: str) -> bool:
    """Return whether it reads as a question, with or without a question mark."""
    return any(mark in sentence for mark in "?？؟") or bool(_ASKS.match(sentence))


@dataclass(frozen=True, slots=True)
class SplitQuestion:
    """One thing that the waiting messages ask for: ``words`` ask it, and ``text`` adds what was said before it in the
    message. ``is_question`` False: a statement that may ask for something."""

    words: str
    text: str
    is_question: bool

    @property
    def is_follow_up(self) -> bool:
        """Return whether it can only be understood with the question before it."""
        own_terms = set(terms(self.text))
        if len(own_terms) < 2 and _FOLLOW_UP.match(self.words):
            return True
        return not own_terms or (bool(_REFERS.search(self.words)) and len(own_terms) <= 4)

    @property
    def is_brief(self) -> bool:
        """Return whether it is a question that may lack a word of the previous one: "pots back?"."""
        return self.is_question and len(set(terms(self.text))) <= _BRIEF_TERMS


def sentences_of(text: str) -> list[str]:
    return [sentence for part in _ANY_SENTENCE.split(text) if (sentence := part.strip())]


def split_questions(messages: Sequence[str], is_wish: Callable[[str], bool] = lambda _: False) -> list[SplitQuestion]:
    """All that the messages ask for, in order. A message without a question may ask for something as a whole, unless it
    is only polite. ``is_wish``: whether a sentence asks for something other than an answer."""
    parts: list[SplitQuestion] = []
    for message in messages:
        statements: list[str] = []
        for sentence in sentences_of(message):
            if is_wish(sentence):
                parts += [SplitQuestion(" ".join(statements), " ".join(statements), False)] if statements else []
                parts.append(SplitQuestion(sentence, sentence, is_question(sentence)))
                statements = []
            elif is_question(sentence) and (terms(sentence) or statements or parts):
                parts.append(SplitQuestion(sentence, " ".join([*statements, sentence]), True))
                statements = []
            elif not set(terms(sentence)) <= _COURTESY_TERMS:
                statements.append(sentence)
        if statements:
            parts.append(SplitQuestion(" ".join(statements), " ".join(statements), False))
    return parts


def with_context(text: str, history: Sequence[TranscriptMessage], about: str = "") -> str:
    """A follow-up that cannot stand alone is prefixed with what it is ``about`` (quoted words, or the title of the
    advertisement or product it came from), else with the contact's previous message."""
    if not _is_dependent(text) or not (history or about):
        return text
    if about:
        return f"{about}\n{text}"
    for line in reversed(history):
        if line.author.kind == "contact" and terms(line.text):
            return f"{line.text}\n{text}" if terms(text) else text
    return text


def _is_dependent(text: str) -> bool:
    if len(text.split()) <= 2 or _FOLLOW_UP.match(text):
        return True
    return bool(_REFERS.search(text)) and len(set(terms(text))) <= 4
