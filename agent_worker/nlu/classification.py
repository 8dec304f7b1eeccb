"""The topics that a message speaks of, and the kind of small talk that it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from importlib import import_module
from typing import Literal, get_args

from agent_worker.nlu.phrase_matcher import Match, Patterns, lines_of, parse
from agent_worker.nlu.phrase_table import Table
from agent_worker.nlu.words import END, is_unspaced, readings

Topic = Literal["danger", "person", "legal", "chargeback", "deletion"]
"""Of these a message may speak beside other things."""
Kind = Literal["person", "complaint", "abilities", "presence", "goodbye", "thanks", "greeting", "laugh", ""]
"""Of small talk, the weightiest first; empty for none."""
LANGUAGES = (
    *("ar", "bn", "de", "en", "es", "fr", "hi", "id", "it", "ja"),
    *("ko", "nl", "pl", "pt", "ru", "tr", "uk", "ur", "vi", "zh"),
)
_NEGATED = "negated"
_MOST = 12
"""Words of a message that may be nothing but small talk."""
_MOST_UNSPACED = 40
_LONGEST_SMALL_TALK = 160
"""Characters."""
_CACHED = 4_000
"""Characters of a text that is remembered for the next who asks about it."""
Phrases = Mapping[tuple[str, ...], str]


def topics_in(text: str, locale: str = "") -> Mapping[Topic, str]:
    """Topic → language of the words that tell it; the contact's own where several do."""
    found = _remembered(text) if len(text) <= _CACHED else _topics(text)
    own = locale[:2].casefold()
    return {topic: own if own in languages else languages[0] for topic, languages in found.items()}


def small_talk(text: str) -> Kind:
    """The weightiest kind in a message that holds nothing else."""
    if len(text) > _LONGEST_SMALL_TALK:
        return ""
    for words in readings(text):
        bare = tuple(word for word in words if word != END)
        most = _MOST_UNSPACED if any(map(is_unspaced, bare)) else _MOST
        if bare and len(bare) <= most and (kinds := _kinds(bare)):
            return next(kind for kind in _WEIGHTS if kind in kinds)
    return ""


# ── topics ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=64)
def _remembered(text: str) -> Mapping[Topic, list[str]]:
    return _topics(text)


def _topics(text: str) -> Mapping[Topic, list[str]]:
    found: dict[Topic, list[str]] = {}
    for words in readings(text):
        matches = _patterns().find(words)
        negated = [match for match in matches if match.label == _NEGATED]
        for match in matches:
            if match.label != _NEGATED and not any(_covers(other, match) for other in negated):
                languages = found.setdefault(_TOPICS[match.label], [])
                if match.language not in languages:
                    languages.append(match.language)
    return found


def _covers(negated: Match, match: Match) -> bool:
    """English words are mixed into other languages, and some are spelled the same."""
    return negated.language in (match.language, "en") and negated.begin < match.end and match.begin < negated.end


@cache
def table_of(language: str) -> Table:
    table: Table = import_module(f"agent_worker.nlu.languages.{language}").TABLE
    return table


@cache
def _patterns() -> Patterns:
    return Patterns.of(
        parse(label, language, line)
        for language in LANGUAGES
        for label in (*_TOPICS, _NEGATED)
        for line in lines_of(getattr(table_of(language), label))
    )


# ── small talk ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _kinds(words: tuple[str, ...]) -> frozenset[str]:
    """Of the first language whose phrases the words divide into, all of them."""
    for language in LANGUAGES:
        phrases, vocabulary = _phrases(language)
        if words[0] in vocabulary and vocabulary.issuperset(words):
            kinds = _divided(words, phrases)
            if kinds:
                return kinds
    return frozenset()


def _divided(words: tuple[str, ...], phrases: Phrases) -> frozenset[str]:
    """Kinds of the phrases that follow each other from the first word to the last; longer ones are tried first. Empty
    when that cannot be, or when all of it is filler."""
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
    """The language's, and the English ones, which people mix in; and all words in them."""
    tables = (table_of("en"), table_of(language))
    phrases = {words: kind for table in tables for kind, words in _listed(table)}
    return phrases, frozenset(word for words in phrases for word in words)


def _listed(table: Table) -> Iterator[tuple[str, tuple[str, ...]]]:
    fields: Sequence[tuple[str, str]] = [("filler", "filler"), ("person", "person_short")]
    for kind, field in [*fields, *((kind, kind) for kind in reversed(_WEIGHTS) if kind not in ("person", ""))]:
        for phrase in getattr(table, field).split("|"):
            for words in readings(phrase):
                yield kind, tuple(word for word in words if word != END)


_TOPICS: dict[str, Topic] = {topic: topic for topic in get_args(Topic)}
_WEIGHTS: tuple[Kind, ...] = get_args(Kind)
