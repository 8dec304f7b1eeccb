"""A question's words: what may stand for each in the tenant's documents, and how much each weighs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from itertools import pairwise

from agent_worker.knowledge.index.query_filter import Term
from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.text.analysis import STEMMED, content_words, distance, stem, synonyms, term, terms

SYNONYM = 0.5
COMPOUND = 0.9
TYPO = 0.7
NUMBER = 0.4
NAME = 1.6
_MOST_UNKNOWN = 40
"""Words of a question that are looked for in other spellings; a question has fewer."""
# "How long" asks for a figure; no document need hold the word.
_HOW = re.compile(r"\bhow (?:long|often|soon|old|far|big|come|about)\b", re.IGNORECASE)
_INSIDE = re.compile(r"(?<=[a-z0-9,;:(\"'“‘] )[(\"'“‘]?([A-ZÀ-Þ][^\W\d_]{2,})")


def understand(index: TenantIndex, text: str) -> list[Term]:
    """The question's distinct terms with their stand-ins and weights; unknown words stay, without options."""
    found = terms(_HOW.sub(" ", text))
    named = _names(text)
    joined: dict[str, dict[str, None]] = {}
    for one, two in pairwise(found):
        for each in (one, two):
            joined.setdefault(each, {})[one + two] = None
    written = {made: word for word, made in content_words(text).items()}
    out: list[Term] = []
    unknown = 0
    for text_term in dict.fromkeys(found):
        options = _options(index, text_term, joined.get(text_term, {}), _elsewhere(index, written[text_term]))
        if index.known(text_term) == 0 and not text_term.isdigit() and unknown < _MOST_UNKNOWN:
            unknown += 1
            options = _with_spellings(index, text_term, options)
        frequency = max((index.known(option) for option, _ in options[:1]), default=0)
        weight = _weight(text_term, frequency, len(index.census))
        # A name that stands nowhere is most likely what the question is about.
        weight *= NAME if not options and text_term in named else 1.0
        out.append(Term(text_term, tuple(options), weight, written[text_term]))
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


def _elsewhere(index: TenantIndex, word: str) -> list[str]:
    """What the word would be in documents of other languages: nobody knows in which one a question is asked."""
    spoken = [language for language in STEMMED if index.passages.languages[language] > 0]
    return [made for language in spoken if index.known(made := stem(word, language))]


def _options(index: TenantIndex, text: str, joined: Iterable[str], elsewhere: list[str]) -> list[tuple[str, float]]:
    """``joined``: the word with its neighbours, as one word each."""
    options: dict[str, float] = {}
    if index.known(text):
        options[text] = 1.0
    options.update((other, 1.0) for other in elsewhere)
    for other in synonyms().get(text, ()):
        if " " not in other and index.known(other):
            options.setdefault(other, SYNONYM)
    for pair in joined:
        if index.known(pair):
            options.setdefault(pair, COMPOUND)
    return list(options.items())


def _with_spellings(index: TenantIndex, text: str, options: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """With other spellings of a word that the documents do not hold. Takes a search through all of their words."""
    found = dict(options)
    for part in _parts(index, text):
        found.setdefault(part, COMPOUND)
    if not found:
        found.update((close, TYPO) for close in _close(index, text))
    return list(found.items())


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
    letters = set(text)
    near = [
        (distance(text, other, limit), other)
        for other in index.beginning_with(text[:2], 5000)
        # Every letter that the other one does not have takes an edit; for most words that settles it.
        if abs(len(other) - len(text)) <= limit and len(letters.difference(other)) <= limit
    ]
    best = min((far for far, _ in near), default=limit + 1)
    return sorted(other for far, other in near if far == best)[:3] if best <= limit else []
