"""Analysis of text into search terms, the same for documents and questions."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import tantivy

from agent_worker.knowledge.text import lexicon

# Vowel signs and tone marks belong to their word although they are not letters: in Hebrew and Arabic, in the scripts of
# India (except its full stop), in Thai, Lao and Tibetan, in Burmese and Khmer.
_MARKS = (
    r"\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u0963\u0966-\u0eff"
    r"\u0f18-\u0f3f\u0f71-\u0fbc\u1000-\u1049\u1780-\u17d3"
)
_PART = rf"[^\W_](?:[^\W_]|[{_MARKS}])*"
_WORD = re.compile(rf"{_PART}(?:['’]{_PART})*")
# "l'abonnement", "dell'ordine"
_APOSTROPHE = re.compile(r"['’]")
_ELIDED = re.compile(r"^(?:[cdjlmnst]|qu|dell|all|nell|sull|un)['’](?=\w\w)")
# Scripts that write no spaces between words.
_RUN = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)
_PARTS = re.compile(rf"{_RUN.pattern}|(?:(?!{_RUN.pattern}).)+")


STEMMED = {
    "ar": "arabic",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "es": "spanish",
    "fi": "finnish",
    "fr": "french",
    "hu": "hungarian",
    "it": "italian",
    "nb": "norwegian",
    "nl": "dutch",
    "nn": "norwegian",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
}
"""Languages, as documents declare them, that have a stemmer; everything else is stemmed as English."""


@lru_cache(maxsize=len(STEMMED) + 1)
def _stemmer(language: str = "english") -> Any:
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.raw())
    return builder.filter(tantivy.Filter.lowercase()).filter(tantivy.Filter.stemmer(language)).build()


def primary_language(language: str) -> str:
    """``de`` of ``de-AT`` and ``de_AT``."""
    return language.replace("_", "-").partition("-")[0].casefold()


def _fold(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))


@lru_cache(maxsize=65536)
def term(word: str) -> str:
    """One word's term: case-folded, regular, American spelling, stemmed. Empty for a stop word."""
    unspaced = _RUN.match(word) is not None
    word = _APOSTROPHE.split(_ELIDED.sub("", _fold(word)))[0]
    if word in lexicon.STOP or not word or (len(word) == 1 and not word.isdigit() and not unspaced):
        return ""
    word = lexicon.IRREGULAR.get(word, word)
    for british, american in lexicon.SPELLINGS:
        if word.endswith(british) and len(word) > len(british) + 1:
            word = word[: -len(british)] + american
            break
    stems: list[str] = _stemmer().analyze(word)
    stem = stems[0] if stems else word
    return lexicon.IRREGULAR.get(stem, stem)[:60]


@lru_cache(maxsize=65536)
def stem(word: str, language: str) -> str:
    """One word's term in a language of STEMMED."""
    plain = unicodedata.normalize("NFC", _APOSTROPHE.split(_ELIDED.sub("", word.casefold()))[0])
    stems: list[str] = _stemmer(STEMMED[language]).analyze(plain)
    # Folded after stemming, because the stemmer depends on accents.
    return _fold(stems[0] if stems else plain)[:60]


def words(text: str) -> Iterable[str]:
    """The words as written; hyphenated words come in parts. In scripts without spaces every pair of neighbouring
    characters is a word."""
    found = _WORD.findall(text)
    return found if text.isascii() else _split_runs(found)


def _split_runs(found: Iterable[str]) -> Iterator[str]:
    for word in found:
        if word.isascii() or not _RUN.search(word):
            yield word
            continue
        for part in _PARTS.findall(word):
            yield from _pairs(part) if _RUN.match(part) else (part,)


def _pairs(run: str) -> Iterator[str]:
    yield from (run[at : at + 2] for at in range(max(1, len(run) - 1)))


def terms(text: str, language: str = "") -> list[str]:
    """All terms of a text in order, without stop words. ``language``: one of STEMMED, else English."""
    if language in STEMMED:
        return [stem(word, language) for word in words(text) if term(word)]
    return [folded for word in words(text) if (folded := term(word))]


def content_words(text: str) -> dict[str, str]:
    """Distinct lower-case words without stop words, each with its term."""
    return {word.casefold(): folded for word in words(text) if (folded := term(word))}


Synonyms = Mapping[str, frozenset[str]]
"""Term → terms that may stand for it. Two-word entries are joined by a space."""
NO_SYNONYMS: Synonyms = MappingProxyType({})


@lru_cache(maxsize=1)
def synonyms() -> Synonyms:
    """Those of general English, and the countries of places."""
    found = {member: set(others) for member, others in synonyms_of(lexicon.GROUPS).items()}
    for country, names in lexicon.PLACES:
        for name in names:
            found.setdefault(term(name), set()).add(term(country))
    return {member: frozenset(others) for member, others in found.items()}


def synonyms_of(groups: Iterable[Iterable[str]]) -> Synonyms:
    """Every word of a group may stand for each of the others."""
    found: dict[str, frozenset[str]] = {}
    for group in groups:
        members = frozenset(" ".join(terms(entry.replace("_", " "))) for entry in group) - {""}
        for member in members:
            found[member] = found.get(member, frozenset()) | (members - {member})
    return found


def edit_distance(one: str, other: str, limit: int) -> int:
    """Edits between two words; swapping neighbours is one edit. ``limit`` + 1 when there are more than ``limit``."""
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        previous, row, older = row, [i], before
        for j, b in enumerate(other, 1):
            best = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                best = min(best, older[j - 2] + 1)
            row.append(best)
        before = previous
        if min(row) > limit:
            return limit + 1
    return min(row[-1], limit + 1)
