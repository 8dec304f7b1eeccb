"""A document's passages as scoring looks at them: which terms and words stand in each, and how often. Counted once,
when the document is written; a search never reads a passage's text to score it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from agent_worker.knowledge.analysis import content_words
from agent_worker.knowledge.splitting import Piece

PASSAGE_FIELDS = ("p_title", "p_heading", "p_body")
_MOST = 65_535


@dataclass(frozen=True, slots=True)
class Counted:
    """``terms`` and ``words`` are the document's distinct ones. ``term_of`` and ``word_of`` name those of the passages
    by their places there, one passage after another, ``term_sizes`` and ``word_sizes`` of them each; ``counts`` says
    of every term of a passage how often it stands in each of PASSAGE_FIELDS, one field after another."""

    terms: list[str]
    term_of: list[int]
    term_sizes: list[int]
    counts: list[int]
    words: list[str]
    word_of: list[int]
    word_sizes: list[int]


def counted(title: str, pieces: Sequence[Piece], searched: Sequence[Mapping[str, str]]) -> Counted:
    """``searched``: of each passage its terms by field, joined by blanks."""
    made = Counted([], [], [], [], [], [], [])
    terms: dict[str, int] = {}
    words: dict[str, int] = {}
    for piece, fields in zip(pieces, searched, strict=True):
        found = [Counter(fields[name].split()) for name in PASSAGE_FIELDS]
        distinct = list(dict.fromkeys(term for field in found for term in field))
        made.term_of.extend(terms.setdefault(term, len(terms)) for term in distinct)
        made.term_sizes.append(len(distinct))
        made.counts.extend(min(_MOST, field[term]) for term in distinct for field in found)
        own = content_words(f"{title} {piece.heading} {piece.text}")
        made.word_of.extend(words.setdefault(word, len(words)) for word in own)
        made.word_sizes.append(len(own))
    made.terms.extend(terms)
    made.words.extend(words)
    return made


def stored_counts(made: Counted) -> bytes:
    return json.dumps(asdict(made)).encode()


def read_counts(value: bytes) -> Counted:
    return Counted(**json.loads(value))
