"""Classification of a message: its topics, and the kind of small talk it is."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from agent_worker.nlu.phrase_matcher import Match, PatternIndex, parse_pattern, pattern_lines
from agent_worker.nlu.words import END, is_unspaced, spelling_variants

# Phrase tables about danger, requests for a person, and small talk. ``languages/`` has one TOML file per language.

_FOLDER = Path(__file__).parent / "languages"
LANGUAGES = tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


class PhraseTable(BaseModel):
    """``danger`` to ``negated``: patterns that may occur anywhere in a message, one per line; a line that ends in "/"
    continues on the next. A pattern is a sequence of elements: "a/b" are alternatives, "_" joins the words of one, "*"
    matches the rest of a word, and "..." allows up to four words in between (eight in scripts without spaces, where
    each character counts as a word). A match that overlaps one of ``negated`` does not count.

    ``greeting`` to ``laugh``: phrases, separated by "|", that make up a whole message together with those of
    ``filler``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    danger: str
    emergency: str
    person: str
    legal: str
    chargeback: str
    deletion: str
    upset: str
    negated: str
    greeting: str
    thanks: str
    goodbye: str
    complaint: str
    abilities: str
    presence: str
    person_short: str
    filler: str
    laugh: str


@cache
def load_phrase_table(language: str) -> PhraseTable:
    return PhraseTable.model_validate(tomllib.loads((_FOLDER / f"{language}.toml").read_text(encoding="utf-8")))


def load_phrases() -> None:
    """Load all phrases into memory, which takes a tenth of a second."""
    _patterns()
    for language in LANGUAGES:
        _phrases(language)


Topic = Literal["danger", "emergency", "person", "legal", "chargeback", "deletion"]
"""Topics that a message may mention beside other things."""
Kind = Literal["person", "complaint", "abilities", "presence", "goodbye", "thanks", "greeting", "laugh", ""]
"""Kinds of small talk, the most important first; empty for none."""
_UPSET, _NEGATED = "upset", "negated"
_MAX_WORDS = 12
"""Words of a message that can be pure small talk."""
_MAX_UNSPACED_WORDS = 40
_MAX_SMALL_TALK_LENGTH = 160
"""Characters."""
_MAX_CACHED_LENGTH = 4_000
"""Characters of a text whose topics are cached."""
_MEASURES = frozenset(
    ["how", "much", "many", "per", "pro", "each", "cost", "price", "wieviel", "combien", "cuanto", "quanto", "ile"]
)
"""Words beside which a person is none that is asked for: "how much per person"."""
Phrases = Mapping[tuple[str, ...], str]


def topics_in(text: str, locale: str = "") -> Mapping[Topic, str]:
    """Topic → language of the words that mention it, preferably the contact's own."""
    own = locale[:2].casefold()
    return {
        topic: own if own in languages else languages[0]
        for label, languages in _find_languages(text).items()
        if (topic := _TOPICS.get(label)) is not None
    }


def is_upset(text: str) -> bool:
    """True if the words say that the contact is angry or disappointed."""
    return _UPSET in _find_languages(text)


def small_talk_kind(text: str) -> Kind:
    """The most important kind in a message that contains nothing but small talk."""
    return _cached_small_talk_kind(text) if len(text) <= _MAX_SMALL_TALK_LENGTH else ""


def thanks_for_no(text: str) -> bool:
    """True for a no with thanks: "no thanks", "nein danke"."""
    return "thanks" in (small_talk_kind(text), small_talk_kind(text.partition(" ")[2]))


@lru_cache(maxsize=64)
def _cached_small_talk_kind(text: str) -> Kind:
    """A turn asks four times."""
    for words in spelling_variants(text):
        spoken = tuple(word for word in words if word != END)
        limit = _MAX_UNSPACED_WORDS if any(map(is_unspaced, spoken)) else _MAX_WORDS
        if spoken and len(spoken) <= limit and (kinds := _kinds_of(spoken)):
            kind = next(kind for kind in _KINDS if kind in kinds)
            return "" if kind == "person" and not _MEASURES.isdisjoint(spoken) else kind
    return ""


# ── topics ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _find_languages(text: str) -> Mapping[str, list[str]]:
    """The labels of the patterns that match, and the languages of these. A turn asks four times and more."""
    return _cached_labels(text) if len(text) <= _MAX_CACHED_LENGTH else _cached_labels_of_long(text)


@lru_cache(maxsize=64)
def _cached_labels(text: str) -> Mapping[str, list[str]]:
    return _labels(text)


@lru_cache(maxsize=4)
def _cached_labels_of_long(text: str) -> Mapping[str, list[str]]:
    return _labels(text)


def _labels(text: str) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    # Spellings have the same words at the same places, so what one of them negates is negated in all.
    matches = [match for words in spelling_variants(text) for match in _patterns().find(words)]
    negated = [match for match in matches if match.label == _NEGATED]
    for match in matches:
        if match.label != _NEGATED and not any(_covers(other, match) for other in negated):
            languages = found.setdefault(match.label, [])
            if match.language not in languages:
                languages.append(match.language)
    return found


def _covers(negated: Match, match: Match) -> bool:
    """English words are mixed into other languages, and some are spelled the same."""
    return negated.language in (match.language, "en") and negated.begin < match.end and match.begin < negated.end


@cache
def _patterns() -> PatternIndex:
    return PatternIndex.build(
        parse_pattern(label, language, line)
        for language in LANGUAGES
        for label in (*_TOPICS, _UPSET, _NEGATED)
        for line in pattern_lines(getattr(load_phrase_table(language), label))
    )


# ── small talk ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _kinds_of(words: tuple[str, ...]) -> frozenset[str]:
    """The kinds of the first language whose phrases make up all words."""
    for language in LANGUAGES:
        phrases, vocabulary = _phrases(language)
        if words[0] in vocabulary and vocabulary.issuperset(words):
            kinds = _split_into_phrases(words, phrases)
            if kinds:
                return kinds
    return frozenset()


def _split_into_phrases(words: tuple[str, ...], phrases: Phrases) -> frozenset[str]:
    """The kinds of consecutive phrases that cover all words, trying longer ones first. Empty if there is no such split,
    or if all of it is filler."""
    rest: list[frozenset[str] | None] = [None] * len(words) + [frozenset()]
    for begin in reversed(range(len(words))):
        for end in range(len(words), begin, -1):
            after = rest[end]
            if after is not None and (kind := phrases.get(words[begin:end])) is not None:
                rest[begin] = after | {kind} if kind != "filler" else after
                break
    return rest[0] or frozenset()


@cache
def _phrases(language: str) -> tuple[Phrases, frozenset[str]]:
    """The language's phrases and the English ones, which people mix in; and all words in them."""
    tables = (load_phrase_table("en"), load_phrase_table(language))
    phrases = {words: kind for table in tables for kind, words in _phrases_in(table)}
    return phrases, frozenset(word for words in phrases for word in words)


def _phrases_in(table: PhraseTable) -> Iterator[tuple[str, tuple[str, ...]]]:
    fields: Sequence[tuple[str, str]] = [("filler", "filler"), ("person", "person_short")]
    for kind, field in [*fields, *((kind, kind) for kind in reversed(_KINDS) if kind not in ("person", ""))]:
        for phrase in getattr(table, field).split("|"):
            for words in spelling_variants(phrase):
                yield kind, tuple(word for word in words if word != END)


_TOPICS: dict[str, Topic] = {topic: topic for topic in get_args(Topic)}
_KINDS: tuple[Kind, ...] = get_args(Kind)
