"""One search of a tenant's index: the passages for a question, and whether they answer it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, partial

from agent_worker.grounding.answer_check import DENIAL
from agent_worker.knowledge.answer_threshold import ANSWERABLE_ABOVE
from agent_worker.knowledge.index.query_filter import QueryTerm
from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.ranking.candidates import SearchQueries, build_queries
from agent_worker.knowledge.ranking.confidence import PROBABLE_MARGIN, RELATED_ABOVE, SUGGESTABLE_ABOVE, confidence
from agent_worker.knowledge.ranking.ranker import passage_of, rank_queries
from agent_worker.knowledge.text.analysis import NO_SYNONYMS, Synonyms, primary_language, synonyms, term, terms
from agent_worker.knowledge.text.lexicon import PLACES
from agent_worker.knowledge.text.opening_hours import asks_for_hours, find_opened_thing, restate_hours
from agent_worker.knowledge.text.query_expansion import names_in, unknown_terms
from agent_worker.knowledge.text.query_splitting import sentences_of
from agent_worker.knowledge.vectors.embedding import short_heading
from agent_worker.knowledge.vectors.encoder import Encoder
from agent_worker.nlu.language_detection import detect_language
from agent_worker.reading.question_form import Figure, wanted_figure
from schemas.messages import Assurance
from schemas.ports import Passage, SearchResult

_MAX_QUERY = 8_000
"""Characters of a question; no channel delivers a longer message."""
_ENCODED = "en"
"""The language that sentence encoders with a multilingual one beside them read."""
_WORDS_OF_A_FORM = 3
_LEAD = 0.2
"""The least by which the first section leads the next, as a share of its score, to be the one that probably answers."""

_HEADED_MARGIN = 0.25
"""How far the confidence may lie below ``knowledge.answerable_above`` for a section whose heading fits the question."""
_MIN_FIT = 0.79
_TITLE_WEIGHT = 0.01
"""Decides between documents with headings that fit equally well."""
_MAX_SHORT = 4
"""Search terms of a short question."""
_FIGURES: Mapping[Figure | None, str] = {"price": term("price"), "time": term("time")}
_ATTRIBUTES = frozenset(map(term, ["long", "price", "cost", "charge", "fee", "pay", "time", "expensive"]))
_OFFERING = frozenset(map(term, ["sell", "stock", "offer", "supply", "provide", "carry", "buy"]))
_GENERAL = frozenset(map(term, ["possible", "okay", "allowed", "true", "normal", "anybody", "anyone"]))
_IS_IT_SO = re.compile(r"\W*(?:(?:hi|hello|hey|and|so|but|ok)\b\W*)*(?:is|are|does|do (?:you|u|they))\b", re.IGNORECASE)
_DESTINATION = re.compile(r"\b(?:to|in|from|into)\s(?:the\s)?([^\W\d_]{3,30})\b", re.IGNORECASE)
_EVERYWHERE = re.compile(
    r"\b(?:any(?:where| country)|worldwide|elsewhere|abroad|international\w*|overseas|every country|rest of the world|"
    r"(?:all|any) other countr\w+|outside the eu)\b",
    re.IGNORECASE,
)
_MIN_PLACES = 2
"""Places of a passage that lists some."""
_CIRCUMSTANCE = re.compile(r"\b(?:where|when|why|who|whose|which)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PendingSearch:
    """A search whose vectors are being computed. ``finish`` takes a few milliseconds more; before that, ``wait`` for
    the vectors in a thread if it ``takes_long``."""

    queries: Sequence[SearchQueries]
    finish: Callable[[], SearchResult]

    @property
    def takes_long(self) -> bool:
        return any(each.takes_long for each in self.queries)

    def wait(self) -> None:
        for each in self.queries:
            _ = each.vectors


def search_index(
    index: TenantIndex,
    tenant: str,
    query: str,
    now: datetime,
    encoder: Encoder | None,
    *,
    language: str = "",
    above: float = ANSWERABLE_ABOVE,
) -> SearchResult:
    """``language``: the contact's, which documents in it are preferred to others; ``above``: confidence from which the
    documents count as containing an answer. Blocking."""
    start = partial(start_search, index, tenant, query, now, encoder, k=8, assurance="anonymous", language=language)
    return start(above=above, own_synonyms=NO_SYNONYMS).finish()


def start_search(
    index: TenantIndex,
    tenant: str,
    query: str,
    now: datetime,
    encoder: Encoder | None,
    *,
    k: int,
    assurance: Assurance,
    language: str,
    above: float,
    own_synonyms: Synonyms,
) -> PendingSearch:
    """Do the first part of ``search_index``."""
    text = query[:_MAX_QUERY]
    queries = [
        build_queries(index, text, each, own_synonyms) for each in choose_encoders(index, text, encoder, language)
    ]

    def finish() -> SearchResult:
        rankings = [rank_queries(index, each, now, assurance=assurance, language=language) for each in queries]
        score, result = max(
            ((confidence(each.evidence, each.kind), each) for each in rankings), key=lambda scored: scored[0]
        )
        limit = RELATED_ABOVE[result.kind]
        passages = [passage_of(tenant, hit, related=hit.relation >= limit) for hit in result.hits]
        short = None if result.kind == "vectors" else HeadingQuery.read(text, queries[0].message)
        headed = None if short is None else short.find_headed(passages, is_answered=score >= above)
        if headed is not None:
            passages = [replace(headed, score=1.0, related=True), *(one for one in passages if one is not headed)]
            score = max(score, min(above, score + _HEADED_MARGIN))
        is_clear = not _is_beside_hours(text, queries[0], passages[:k]) and not _lists_others(
            text, queries[0], passages
        )
        is_clear = is_clear and (
            not _begins_like_another(passages[:k])
            if result.kind == "vectors"
            else short is None or not short.is_unknown
        )
        is_near = score >= min(above, SUGGESTABLE_ABOVE[result.kind]) and not (short and short.is_foreign)
        if short is not None and score < above and not short.is_unknown:
            passages = short.order(passages)
        passages = passages[:k]
        return SearchResult(
            passages,
            bool(passages) and score >= above and is_clear,
            score,
            index.encoder_name,
            result.vector,
            suggestable=bool(passages) and is_near,
            probable=above - PROBABLE_MARGIN <= score < above and is_clear and _leads(passages),
        )

    return PendingSearch(queries, finish)


def _leads(passages: Sequence[Passage]) -> bool:
    """True if no other section scores nearly as high as that of the first passage."""
    sections = [(passage.document, passage.heading) for passage in passages]
    others = [one.score for one, section in zip(passages, sections, strict=True) if section != sections[0]]
    return bool(passages) and max(others, default=0.0) <= (1 - _LEAD) * passages[0].score


@dataclass(frozen=True, slots=True)
class HeadingQuery:
    """A question of a few words. ``asked``: for each word all that may stand for it; ``figure``: the same for "how
    long" and "how much". ``subject``: without the words of having something to sell; ``is_unknown``: a yes-or-no
    question about something that no document names, such as "Is aloe poisonous to cats?"; ``is_foreign``: whether just
    that is for sale."""

    text: str
    asked: Sequence[set[str]]
    figure: set[str]
    subject: Sequence[set[str]]
    is_foreign: bool
    is_unknown: bool

    @classmethod
    def read(cls, text: str, message: Sequence[QueryTerm]) -> HeadingQuery | None:
        """None for longer questions, and those that name nothing."""
        figure = _FIGURES.get(wanted_figure(text))
        named = [each for each in message if figure is None or each.text not in _ATTRIBUTES]
        if "\n" in text or not named or len(message) > _MAX_SHORT or all(each.text in _ATTRIBUTES for each in named):
            return None
        asked = {each.text: {each.text, *(option for option, _ in each.options)} for each in named}
        unknown = unknown_terms(message).intersection(terms(sentences_of(text)[0])) - _GENERAL
        return cls(
            text,
            [*asked.values()],
            set() if figure is None else {figure, *synonyms().get(figure, ())},
            [words for each, words in asked.items() if each not in _OFFERING | unknown],
            not _OFFERING.isdisjoint(asked) and asked.keys() <= _OFFERING | unknown,
            bool(unknown) and _IS_IT_SO.match(text) is not None,
        )

    def fit(self, passage: Passage) -> float:
        """How well the passage's heading asks or names just this, 0–1; its document's title may name the rest."""
        heading = short_heading(passage.heading)
        words, title = set(terms(heading)), set(terms(passage.title))
        if (figure := _FIGURES.get(wanted_figure(heading))) is not None:
            words = words - _ATTRIBUTES | {figure}
        asked = [*self.asked, *([self.figure] if self.figure else [])]
        named = sum(bool(each & words) for each in asked)
        if any(each & _places() & words for each in asked):
            words -= _places().difference(*asked)
        circumstances = {each.casefold() for each in _CIRCUMSTANCE.findall(heading)}
        is_other = any(each not in self.text.casefold() for each in circumstances) or (
            bool(DENIAL.search(heading)) != bool(DENIAL.search(self.text))
        )
        if heading.endswith("?"):
            # One more word makes it another question: "Can I open an account without a passport?".
            is_other = is_other or not words.difference(*asked) <= {figure}
        is_covered = all(each & (words | title) for each in asked)
        if not named or is_other or not is_covered or (self.figure and not self.figure & words):
            return 0.0
        coverage = (named / len(asked) + 1) / 2
        precision = sum(any(word in each for each in asked) for word in words) / len(words)
        of_title = sum(bool(each & title) for each in asked) / len(asked)
        return 2 * coverage * precision / (coverage + precision) + _TITLE_WEIGHT * of_title

    def find_headed(self, passages: Sequence[Passage], *, is_answered: bool) -> Passage | None:
        """The passage whose heading fits best: "Dispatch days", for "which days do you dispatch". None where none
        fits, or several documents have such a one, or the question ``is_answered`` by the first, which fits too."""
        fits = [self.fit(passage) for passage in passages]
        best = max(fits, default=0.0)
        found = [passage for passage, fit in zip(passages, fits, strict=True) if fit == best]
        if best < _MIN_FIT or (is_answered and fits[0]) or any(one.document != found[0].document for one in found):
            return None
        return found[0]

    def order(self, passages: Sequence[Passage]) -> list[Passage]:
        """Those first whose document's title names what the question is about."""
        titles = {passage.title: set(terms(passage.title)) for passage in passages}
        return sorted(passages, key=lambda one: not all(each & titles[one.title] for each in self.subject))


def _is_beside_hours(text: str, queries: SearchQueries, passages: Sequence[Passage]) -> bool:
    """True if a question like "Is the pool open on Sundays?" or "Are there courses on Sundays?" is about something that
    no document names, or about a place of that kind, and the opening hours are the nearest that was found."""
    unknown = unknown_terms(queries.message)
    if not unknown or not passages:
        return False
    first = passages[0]
    if not unknown.isdisjoint(terms(find_opened_thing(text))):
        return True
    lists_hours = bool(restate_hours(first.title, first.heading, first.text))
    return lists_hours and not (asks_for_hours(text) and unknown.isdisjoint(names_in(text)))


def _lists_others(text: str, queries: SearchQueries, passages: Sequence[Passage]) -> bool:
    """True if the question names a place, and the first passage only others: a list of countries that lacks it."""
    found = {word for each in _DESTINATION.findall(text) if (word := term(each)) in unknown_terms(queries.message)}
    asked = found | (set(terms(text)) & _places())
    if not asked or not passages or _EVERYWHERE.search(passages[0].text):
        return False
    first = passages[0]
    said = set(terms(f"{first.title} {first.heading} {first.text}"))
    return len(said & _places()) >= _MIN_PLACES and not any(_is_within(place, said) for place in asked)


def _is_within(place: str, said: Collection[str]) -> bool:
    """Return whether the place, or what it lies in, is among the words."""
    around = [term(country) for country, names in PLACES if place in map(term, names)]
    same = synonyms().get(place, frozenset())
    return place in said or not same.isdisjoint(said) or any(_is_within(each, said) for each in around)


@cache
def _places() -> frozenset[str]:
    named = frozenset(term(name) for country, names in PLACES for name in (country, *names))
    return named.union(*(synonyms().get(name, ()) for name in named))


def _begins_like_another(passages: Sequence[Passage]) -> bool:
    """True if the first heading is a question that begins like that of another passage: "Do you clean fur?" beside "Do
    you clean silk?". Vectors across languages do not tell such questions apart, and there are no words to compare."""
    headings = [short_heading(passage.heading) for passage in passages]
    beginnings = [heading.casefold().split()[:_WORDS_OF_A_FORM] for heading in headings]
    return any(
        heading.endswith("?") and beginning == beginnings[0]
        for heading, beginning in zip(headings, beginnings, strict=True)
        if heading != headings[0]
    )


def choose_encoders(index: TenantIndex, text: str, encoder: Encoder | None, language: str) -> Sequence[Encoder | None]:
    """The encoders to search with, of which the surer ranking counts. A question in another language than English is
    searched across languages if there are English documents, and also as it is if there are documents in its own."""
    if encoder is None or index.vectors is None or primary_language(language) == _ENCODED:
        return (encoder,)
    # The contact's language is known, but a text may be in another: the heading that the contact picked.
    asked = primary_language(detect_language(text, language))
    if asked in ("", _ENCODED):
        return (encoder,)
    languages = index.languages()
    if _ENCODED not in languages or (multilingual := encoder.multilingual) is None:
        return (encoder,)
    return (encoder, multilingual) if asked in languages else (multilingual,)
