"""Expansion of a question's words by what may stand for them in the tenant's documents, each with a weight."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from itertools import pairwise

from agent_worker.knowledge.index.query_filter import QueryTerm
from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.text import lexicon
from agent_worker.knowledge.text.analysis import (
    NO_SYNONYMS,
    STEMMED,
    Synonyms,
    content_words,
    edit_distance,
    stem,
    synonyms,
    term,
    terms,
)
from agent_worker.nlu.language_detection import detect_language

SYNONYM = 0.5
COMPOUND = 0.9
TYPO = 0.7
NUMBER = 0.4
NAME = 1.6
_LETTERS = re.compile(r"[^\W\d_]+")
_MIN_PART = 2
"""Letters that each part of a compound has at least: "wifi" is "Wi-Fi"."""
_MAX_UNKNOWN = 40
"""Words of a question that are looked up in other spellings."""
# "How long" asks for a figure; no document needs to contain the word.
_HOW = re.compile(r"\bhow (?:long|often|soon|old|far|big|come|about)\b", re.IGNORECASE)
_CAPITALISED = re.compile(r"(?<=[a-z0-9,;:(\"'“‘] )[(\"'“‘]?([A-ZÀ-Þ][^\W\d_]{2,})")


def expand_query(index: TenantIndex, text: str, own_synonyms: Synonyms = NO_SYNONYMS) -> list[QueryTerm]:
    """The question's distinct terms with alternatives and weights. Unknown words remain, without alternatives.
    ``own_synonyms``: the tenant's, in addition to those of general English."""
    query_terms = terms(_HOW.sub(" ", text))
    names = _names(text)
    compounds: dict[str, dict[str, None]] = {}
    for one, two in pairwise(query_terms):
        for each in (one, two):
            compounds.setdefault(each, {})[one + two] = None
    surfaces = {folded: word for word, folded in content_words(text).items()}
    expanded: list[QueryTerm] = []
    unknown = 0
    for text_term, count in Counter(query_terms).items():
        alike = {*synonyms().get(text_term, ()), *own_synonyms.get(text_term, ())}
        foreign = _foreign_stems(index, surfaces[text_term])
        options = _options(index, text_term, alike, compounds.get(text_term, {}), foreign)
        if index.document_frequency(text_term) == 0 and not text_term.isdigit() and unknown < _MAX_UNKNOWN:
            unknown += 1
            options = _with_spellings(index, text_term, options)
        frequency = max((index.document_frequency(option) for option, _ in options[:1]), default=0)
        weight = _weight(text_term, frequency, index.totals.documents)
        # A name that no document contains is most likely the subject of the question.
        weight *= NAME if not options and text_term in names else 1.0
        expanded.append(QueryTerm(text_term, tuple(options), weight, surfaces[text_term], count))
    return expanded


def unknown_terms(query: Iterable[QueryTerm]) -> frozenset[str]:
    """Those of a question that no document contains, in any spelling or synonym. A town's country does not count."""
    return frozenset(
        each.text for each in query if all(text != each.text and text in _countries() for text, _ in each.options)
    )


def names_in(text: str) -> set[str]:
    """Terms of well-known places and, in English, of words with a capital inside a sentence."""
    places = {term(name) for _, names in lexicon.PLACES for name in names}
    return places.intersection(terms(text)) | (_names(text) if detect_language(text) in ("", "en") else set())


@cache
def _countries() -> frozenset[str]:
    return frozenset(term(country) for country, _ in lexicon.PLACES)


def use_known_words(index: TenantIndex, text: str) -> str:
    """Return the text with words that the documents lack replaced by synonyms that they have, because encoders have
    seldom read "aircon"."""

    def replace_unknown(match: re.Match[str]) -> str:
        word = match.group()
        others = _written_synonyms().get(word.casefold(), ())
        if not others or index.document_frequency(term(word)):
            return word
        known = (other for other in others if all(map(index.document_frequency, terms(other))))
        return next(known, word)

    return _LETTERS.sub(replace_unknown, text)


@cache
def _written_synonyms() -> dict[str, list[str]]:
    """The other words that mean the same, as they are written, by word."""
    groups = [[member.replace("_", " ") for member in group] for group in lexicon.SAME]
    return {one: [other for other in group if other != one] for group in groups for one in group}


def _names(text: str) -> set[str]:
    """Terms of words with a capital inside a sentence."""
    inside = _CAPITALISED.findall(text)
    return {folded for word in inside if (folded := term(word))}


def _weight(text: str, frequency: int, documents: int) -> float:
    if text.isdigit():
        return NUMBER
    rarity = math.log(1 + (documents - frequency + 0.5) / (frequency + 0.5))
    return 0.25 + max(0.0, rarity) / math.log(2 * documents + 2)


def _foreign_stems(index: TenantIndex, word: str) -> list[str]:
    """The word's stems in the other languages of the documents, because the question's language is unknown."""
    languages = [language for language in STEMMED if language in index.totals.languages]
    return [stemmed for language in languages if index.document_frequency(stemmed := stem(word, language))]


def _options(
    index: TenantIndex, text: str, alike: Iterable[str], compounds: Iterable[str], foreign: list[str]
) -> list[tuple[str, float]]:
    """``alike``: its synonyms; ``compounds``: the word joined with each of its neighbours."""
    options: dict[str, float] = {}
    if index.document_frequency(text):
        options[text] = 1.0
    options.update((other, 1.0) for other in foreign)
    for other in sorted(alike):
        several = other.split()
        # Two words stand only for one that the documents lack: each of them alone says less.
        if (len(several) == 1 or not options) and all(map(index.document_frequency, several)):
            options.update((each, SYNONYM) for each in several if each not in options)
    for pair in compounds:
        if index.document_frequency(pair):
            options.setdefault(pair, COMPOUND)
    return list(options.items())


def _with_spellings(index: TenantIndex, text: str, options: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Add other spellings of a word that no document contains. This searches all words of the index."""
    found = dict(options)
    for part in _parts(index, text):
        found.setdefault(part, COMPOUND)
    if not found:
        found.update((close, TYPO) for close in _close(index, text))
    return list(found.items())


def _parts(index: TenantIndex, text: str) -> tuple[str, ...]:
    """The two parts of a compound, if the documents write it as two words."""
    for cut in range(_MIN_PART, len(text) - _MIN_PART + 1):
        one, two = terms(text[:cut]), terms(text[cut:])
        if one and two and index.document_frequency(one[0]) and index.document_frequency(two[0]):
            return (one[0], two[0])
    return ()


def _close(index: TenantIndex, text: str) -> list[str]:
    """Words of the documents of which this may be a misspelling."""
    if len(text) < 6 or any(c.isdigit() for c in text):
        return []
    limit = 1 if len(text) < 9 else 2
    letters = set(text)
    candidates = [
        (edit_distance(text, other, limit), other)
        for other in index.terms_with_prefix(text[:2], 5000)
        # Every letter missing in the other word takes an edit, which rules out most words.
        if abs(len(other) - len(text)) <= limit and len(letters.difference(other)) <= limit
    ]
    known = [(far, other) for far, other in candidates if far <= limit and index.document_frequency(other)]
    best = min((far for far, _ in known), default=0)
    return sorted(other for far, other in known if far == best)[:3]
