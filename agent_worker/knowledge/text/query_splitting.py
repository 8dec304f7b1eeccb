"""Splitting of contacts' messages into focused queries and questions: retrieval with a whole story works badly."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from agent_worker.knowledge.text.analysis import term, terms
from agent_worker.knowledge.text.question_clauses import asks_something, split_clauses

MAX_QUERIES = 3
"""Queries made from one text."""
MAX_SEARCHED_BYTES = 1_500
"""UTF-8 bytes of a text that are searched for: some 250 words, or 500 characters of Chinese."""
_MAX_CLAUSE_TEXT = 4_000
"""Characters of a message whose sentences are split into their questions."""
MAX_QUESTIONS = 8
"""Questions that one turn answers. It names the remaining ones."""
MAX_ITEMS = 40
"""Items of a list that are told apart. The rest is read as one."""
MAX_WISHES = 60
"""Sentences of one turn that may ask for something other than an answer."""
# Contacts write without capitals, so any full stop ends a sentence.
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_ABBREVIATED = r"(?<!\b[DdMmSs][rst]\.)(?<!\bMrs\.)(?<!\bNo\.)(?<!\b[ei]\.[geGE]\.)"
# The same for scripts without a space after the full stop.
_ANY_SENTENCE = re.compile(rf"(?<=[.!?؟]){_ABBREVIATED}\s+|(?<=[。！？])\s*|\n+")
_ASKS = re.compile(
    r"^\W*(?:and |so |but |or )?(?:how|what|whats|when|where|which|who|why|can|could|should|shall|do|does|did|is|are|"
    r"will|would|may|must|am|any)\b",
    re.IGNORECASE,
)
# Not the one before the parameters of an address.
_MARK = re.compile(r"[?？؟](?!\w{1,40}=)")
_CLAUSE = re.compile(r"(?<=[.!?,;:])\s+|(?<!\s)\s+[–—-]\s+|\n+")
# Polite words around a question, in addition to the stop words.
_COURTESY_TERMS = frozenset(
    map(term, ["advance", "excuse", "mean", "meant", "pardon", "question", "quick", "sorry", "team"])
)
_ANNOUNCEMENT = re.compile(
    r"^\W{0,3}(?:(?:(?:i|we)(?:['’]ve|\shave)(?:\sgot)?|ich\s(?:hätte|habe)|wir\s(?:hätten|haben)|just|only|nur)\s)?"
    r"(?:\d{1,2}|a\sfew|a\scouple\sof|some|several|one|two|three|four|five|eine|ein\spaar|zwei|drei|vier|fünf|mehrere)\s"
    r"(?:(?:more|other|quick|short|small|kurze|weitere)\s)?(?:questions?|things|fragen?|sachen)"
    r"(?:\s(?:for\syou|please|bitte|an\ssie))?\s?(?:[:.,;!–—-]\s{0,3}|$)",
    re.IGNORECASE,
)
"""Says how many questions follow."""
_ITEM = re.compile(r"(?:^|(?<=\s))\(?(\d{1,2})[.)]\s{1,3}(?=\S)|^[ \t]{0,8}[-*•–][ \t]{1,3}(?=\S)", re.MULTILINE)
"""The mark of a list's item: a number, also in the middle of a line, or a bullet."""


def strip_courtesies(text: str) -> str:
    """The text without greeting, apology and thanks; unchanged when nothing else would remain."""
    cuts = [0, *(match.end() for match in _CLAUSE.finditer(text)), len(text)]
    spans = list(pairwise(cuts))
    relevant = [place for place, (start, end) in enumerate(spans) if not set(terms(text[start:end])) <= _COURTESY_TERMS]
    return text[spans[relevant[0]][0] : spans[relevant[-1]][1]].strip() if relevant else text


def select_relevant(text: str, limit: int = MAX_SEARCHED_BYTES) -> str:
    """The text, or of one that is longer than ``limit`` bytes the sentences most likely to matter, in their order: its
    questions, then its beginning. Bytes, because scripts without an alphabet say more in a character, and cost more."""
    if len(text.encode()) <= limit:
        return text
    sentences, chosen, left = sentences_of(text), dict[int, str](), limit
    for place in sorted(range(len(sentences)), key=lambda place: not is_question(sentences[place])):
        if left <= 0:
            break
        part = sentences[place].encode()[:left].decode(errors="ignore")
        chosen[place], left = part, left - len(part.encode()) - 1
    return "\n".join(chosen[place] for place in sorted(chosen))


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
    return bool(_MARK.search(sentence)) or begins_as_question(sentence)


def begins_as_question(sentence: str) -> bool:
    """Return whether it begins with a question word or a verb before its subject."""
    return bool(_ASKS.match(sentence))


@dataclass(frozen=True, slots=True)
class SplitQuestion:
    """One thing that the waiting messages ask for: ``words`` ask it, and ``text`` adds what the message said before it
    or remarked on it. ``is_question`` False: a statement that may ask for something."""

    words: str
    text: str
    is_question: bool


def sentences_of(text: str) -> list[str]:
    return [sentence for part in _ANY_SENTENCE.split(text) if (sentence := part.strip())]


def split_questions(messages: Sequence[str], is_wish: Callable[[str], bool] = lambda _: False) -> list[SplitQuestion]:
    """All that the messages ask for, in order. A message without a question may ask for something as a whole, unless it
    is only polite. ``is_wish``: whether a sentence asks for something other than an answer."""
    parts: list[SplitQuestion] = []
    is_wish = _limit_calls(is_wish, MAX_WISHES)
    for message in messages:
        lead, *items = _list_items(message)
        items = [*items[: MAX_ITEMS - 1], " ".join(items[MAX_ITEMS - 1 :])] if len(items) > MAX_ITEMS else items
        parts += _split_message(lead, is_wish, has_parts=bool(parts))
        for item in items:
            asked = _split_message(item, is_wish, has_parts=bool(parts))
            # An item without a question names its subject: "1. opening hours 2. parking".
            parts += [replace(one, is_question=True) for one in asked]
    return parts


def _limit_calls(is_wish: Callable[[str], bool], most: int) -> Callable[[str], bool]:
    """The same test, which says no to all sentences after the first ones: each takes a tenth of a millisecond."""
    left = iter(range(most))
    return lambda sentence: next(left, None) is not None and is_wish(sentence)


def is_single_clause(message: str) -> bool:
    """True if the message surely asks for one thing at most, because nothing divides it."""
    if len(message) > _MAX_CLAUSE_TEXT or len(_list_items(message)) > 1:
        return False
    sentences = sentences_of(message)
    return not sentences or (len(sentences) == 1 and len(split_clauses(sentences[0])) == 1)


def _list_items(message: str) -> list[str]:
    """The text before a list, and the list's items; only the message when it holds no list."""
    marks = list(_ITEM.finditer(message))
    numbers = [int(mark[1]) for mark in marks if mark[1]]
    if len(marks) < 2 or numbers != list(range(1, len(numbers) + 1)):
        return [message]
    bounds = [*(mark.start() for mark in marks), len(message)]
    return [message[: bounds[0]], *(message[mark.end() : end] for mark, end in zip(marks, bounds[1:], strict=True))]


def _split_message(message: str, is_wish: Callable[[str], bool], *, has_parts: bool) -> list[SplitQuestion]:
    parts: list[SplitQuestion] = []
    statements: list[str] = []
    takes_remarks, has_clauses = False, len(message) <= _MAX_CLAUSE_TEXT
    for whole in sentences_of(message):
        if not (sentence := _ANNOUNCEMENT.sub("", whole)):
            continue
        if is_wish(sentence):
            parts += [SplitQuestion(" ".join(statements), " ".join(statements), False)] if statements else []
            parts.append(SplitQuestion(sentence, sentence, is_question(sentence)))
            statements, takes_remarks = [], False
            continue
        clauses = split_clauses(sentence) if has_clauses else [sentence]
        asks = len(clauses) > 1 or is_question(sentence) or (has_clauses and asks_something(sentence))
        if asks and (terms(sentence) or statements or parts or has_parts):
            parts.append(SplitQuestion(clauses[0], " ".join([*statements, clauses[0]]), True))
            parts += [SplitQuestion(clause, clause, True) for clause in clauses[1:]]
            statements, takes_remarks = [], True
        elif set(terms(sentence)) <= _COURTESY_TERMS:
            continue
        elif takes_remarks:
            asked = parts[-1]
            parts[-1] = SplitQuestion(asked.words, f"{asked.text} {sentence}", asked.is_question)
        else:
            statements.append(sentence)
    if statements:
        parts.append(SplitQuestion(" ".join(statements), " ".join(statements), False))
    return parts
