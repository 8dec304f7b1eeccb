"""A question's words: what may stand for each in the tenant's documents, and how much each weighs."""

from __future__ import annotations

import math
import re
from itertools import pairwise

from agent_worker.knowledge.analysis import STEMMED, content_words, distance, stem, synonyms, term, terms
from agent_worker.knowledge.index import TenantIndex
from agent_worker.knowledge.wanted import Term

SYNONYM = 0.5
COMPOUND = 0.9
TYPO = 0.7
NUMBER = 0.4
NAME = 1.6
# "How long" asks for a figure; no document need hold the word.
_HOW = re.compile(r"\bhow (?:long|often|soon|old|far|big|come|about)\b", re.IGNORECASE)
_INSIDE = re.compile(r"(?<=[a-z0-9,;:(\"'“‘] )[(\"'“‘]?([A-ZÀ-Þ][^\W\d_]{2,})")


def understand(index: TenantIndex, text: str) -> list[Term]:
    """The question's distinct terms with their stand-ins and weights; unknown words stay, without options."""
    found = terms(_HOW.sub(" ", text))
    named = _names(text)
    pairs = list(dict.fromkeys(f"{one} {two}" for one, two in pairwise(found)))
    written = {made: word for word, made in content_words(text).items()}
    out: list[Term] = []
    for text_term in dict.fromkeys(found):
        options = _options(index, text_term, pairs, _elsewhere(index, written[text_term]))
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


def _options(index: TenantIndex, text: str, pairs: list[str], elsewhere: list[str]) -> list[tuple[str, float]]:
    options: dict[str, float] = {}
    if index.known(text):
        options[text] = 1.0
    options.update((other, 1.0) for other in elsewhere)
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
    letters = set(text)
    near = [
        (distance(text, other, limit), other)
        for other in index.beginning_with(text[:2], 5000)
        # Every letter that the other one does not have takes an edit; for most words that settles it.
        if abs(len(other) - len(text)) <= limit and len(letters.difference(other)) <= limit
    ]
    best = min((far for far, _ in near), default=limit + 1)
    return sorted(other for far, other in near if far == best)[:3] if best <= limit else []
