"""From a question to passages and a confidence: whether the documents hold an answer at all."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from agent_worker.knowledge.analysis import distance, synonyms, term, terms
from agent_worker.knowledge.index import Hit, TenantIndex, Term
from agent_worker.knowledge.questions import focused

SYNONYM = 0.5
COMPOUND = 0.9
TYPO = 0.7
NUMBER = 0.4
NAME = 1.6
DOCUMENT_SHARE = 0.65
_CANDIDATES = 40
_DOCUMENTS = 12
_TERMS = 7
# "How long" asks for a figure; no document need hold the word.
_HOW = re.compile(r"\bhow (?:long|often|soon|old|far|big|come|about)\b", re.IGNORECASE)
_INSIDE = re.compile(r"(?<=[a-z0-9,;:(\"'“‘] )[(\"'“‘]?([A-ZÀ-Þ][^\W\d_]{2,})")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for an answer being in the documents; every figure 0–1. ``passage`` and ``document``: share of the
    question's weight that the best passage and its whole document cover; ``strange``: share of it that stands in no
    document; ``margin``: how far the best document is ahead of the next."""

    passage: float = 0.0
    document: float = 0.0
    strange: float = 1.0
    margin: float = 0.0


@dataclass(frozen=True, slots=True)
class Ranked:
    hits: list[Hit]
    evidence: Evidence


def understand(index: TenantIndex, text: str) -> list[Term]:
    """The question's distinct terms with their stand-ins and weights; unknown words stay, without options."""
    found = terms(_HOW.sub(" ", text))
    named = _names(text)
    pairs = {f"{one} {two}" for one, two in pairwise(found)}
    joined = {one + two: two for one, two in pairwise(found)}
    out: list[Term] = []
    for text_term in dict.fromkeys(found):
        options = _options(index, text_term, pairs, joined)
        frequency = max((index.known(option) for option, _ in options[:1]), default=0)
        weight = _weight(text_term, frequency, len(index.versions))
        # A name that stands nowhere is most likely what the question is about.
        out.append(Term(text_term, tuple(options), weight * (NAME if not options and text_term in named else 1.0)))
    return out


def _names(text: str) -> set[str]:
    """Terms of words written with a capital inside a sentence."""
    inside = _INSIDE.findall(text)
    return {made for word in inside if (made := term(word))}


def _weight(text: str, frequency: int, documents: int) -> float:
    if text.isdigit():
        return NUMBER
    rarity = math.log(1 + (documents - frequency + 0.5) / (frequency + 0.5))
    return 0.25 + max(0.0, rarity) / math.log(2 * documents + 2)


def _options(index: TenantIndex, text: str, pairs: set[str], joined: dict[str, str]) -> list[tuple[str, float]]:
    options: dict[str, float] = {}
    if index.known(text):
        options[text] = 1.0
    for other in synonyms().get(text, ()):
        if " " not in other and index.known(other):
            options.setdefault(other, SYNONYM)
    for pair in pairs:
        if text in pair.split() and index.known(pair.replace(" ", "")):
            options.setdefault(pair.replace(" ", ""), COMPOUND)
    if text not in options and not text.isdigit():
        for part in _parts(index, text):
            options.setdefault(part, COMPOUND)
    if not options and not text.isdigit():
        for close in _close(index, text):
            options.setdefault(close, TYPO)
    return list(options.items())


def _parts(index: TenantIndex, text: str) -> tuple[str, ...]:
    """A compound the documents write as two words."""
    for cut in range(3, len(text) - 2):
        one, two = terms(text[:cut]), terms(text[cut:])
        if one and two and index.known(one[0]) and index.known(two[0]):
            return (one[0], two[0])
    return ()


def _close(index: TenantIndex, text: str) -> list[str]:
    """Words of the documents that this may be a slip of."""
    if len(text) < 6 or any(c.isdigit() for c in text):
        return []
    limit = 1 if len(text) < 9 else 2
    near = [(distance(text, other, limit), other) for other in index.beginning_with(text[:2], 5000)]
    best = min((far for far, _ in near), default=limit + 1)
    return sorted(other for far, other in near if far == best)[:3] if best <= limit else []


def rank(index: TenantIndex, text: str, now: datetime) -> Ranked:
    """Passages best first, their scores scaled to 0–1, with the evidence for the first."""
    asked = understand(index, text)
    merged: dict[tuple[str, int], Hit] = {}
    documents: dict[str, float] = {}
    for share, query in _queries(text):
        wanted = asked if query == text else understand(index, query)
        passages, whole = _search(index, wanted, now)
        _add(documents, whole, share)
        for hit, score in passages:
            key = (hit.document, hit.order)
            before = merged[key].score if key in merged else 0.0
            merged[key] = _with_score(hit, before + share * score)
    hits = sorted(merged.values(), key=lambda hit: (-hit.score, hit.document, hit.order))
    return Ranked(hits, _evidence(index, asked, hits, documents) if hits else Evidence())


def _queries(text: str) -> list[tuple[float, str]]:
    queries = focused(text)
    if len(queries) == 1:
        return [(1.0, text)]
    return [(0.6, queries[0]), *((0.4 / (len(queries) - 1), query) for query in queries[1:])]


def _add(into: dict[str, float], more: dict[str, float], share: float) -> None:
    for document, score in more.items():
        into[document] = into.get(document, 0.0) + share * score


def _search(
    index: TenantIndex, asked: Sequence[Term], now: datetime
) -> tuple[list[tuple[Hit, float]], dict[str, float]]:
    """Every candidate passage with its score, and the documents' own scores, both scaled to the best."""
    asked = sorted((term for term in asked if term.options), key=lambda term: -term.weight)[:_TERMS]
    whole = _scaled(index.find_documents(asked, now, _DOCUMENTS))
    found = index.find_passages(asked, now, _CANDIDATES)
    if missing := set(list(whole)[:5]) - {hit.document for hit in found}:
        found += index.find_passages(asked, now, 10, sorted(missing))
    top = max((hit.score for hit in found), default=1.0) or 1.0
    mixed = [
        (hit, DOCUMENT_SHARE * whole.get(hit.document, 0.0) + (1 - DOCUMENT_SHARE) * hit.score / top) for hit in found
    ]
    return mixed, whole


def _scaled(scores: dict[str, float]) -> dict[str, float]:
    top = max(scores.values(), default=1.0) or 1.0
    return {document: score / top for document, score in scores.items()}


def _with_score(hit: Hit, score: float) -> Hit:
    return Hit(hit.document, hit.version, hit.title, hit.heading, hit.url, hit.text, hit.order, score)


def _evidence(index: TenantIndex, asked: Sequence[Term], hits: Sequence[Hit], documents: dict[str, float]) -> Evidence:
    best = hits[0]
    total = sum(term.weight for term in asked) or 1.0
    passage = set(terms(f"{best.title} {best.heading} {best.text}"))
    same = " ".join(f"{hit.heading} {hit.text}" for hit in hits if hit.document == best.document)
    document = passage | set(terms(same))
    ranks = sorted(documents.values(), reverse=True)
    return Evidence(
        passage=_covered(asked, passage) / total,
        document=_covered(asked, document) / total,
        strange=sum(term.weight for term in asked if not term.options) / total,
        margin=min(1.0, ranks[0] - ranks[1]) if len(ranks) > 1 else 1.0,
    )


def _covered(asked: Sequence[Term], found: set[str]) -> float:
    return sum(term.weight * _hit(term, found) for term in asked)


def _hit(term: Term, found: set[str]) -> float:
    return max((factor for option, factor in term.options if option in found), default=0.0)
