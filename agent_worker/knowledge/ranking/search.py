"""One search of a tenant's index: the passages for a question, and whether they answer it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from agent_worker.knowledge.answer_threshold import ANSWERABLE_ABOVE
from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.ranking.candidates import SearchQueries, build_queries
from agent_worker.knowledge.ranking.confidence import PROBABLE_MARGIN, RELATED_ABOVE, SUGGESTABLE_ABOVE, confidence
from agent_worker.knowledge.ranking.ranker import passage_of, rank_queries
from agent_worker.knowledge.text.analysis import NO_SYNONYMS, Synonyms, primary_language, terms
from agent_worker.knowledge.text.opening_hours import asks_for_hours, find_opened_thing, restate_hours
from agent_worker.knowledge.text.query_expansion import names_in, unknown_terms
from agent_worker.knowledge.vectors.embedding import short_heading
from agent_worker.knowledge.vectors.encoder import Encoder
from agent_worker.nlu.language_detection import detect_language
from schemas.messages import Assurance
from schemas.ports import Passage, SearchResult

_MAX_QUERY = 8_000
"""Characters of a question; no channel delivers a longer message."""
_ENCODED = "en"
"""The language that sentence encoders with a multilingual one beside them read."""
_WORDS_OF_A_FORM = 3
_LEAD = 0.2
"""The least by which the first section leads the next, as a share of its score, to be the one that probably answers."""


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
        rankings = [rank_queries(index, each, now, k, assurance=assurance, language=language) for each in queries]
        score, result = max(
            ((confidence(each.evidence, each.kind), each) for each in rankings), key=lambda scored: scored[0]
        )
        limit = RELATED_ABOVE[result.kind]
        passages = [passage_of(tenant, hit, related=hit.relation >= limit) for hit in result.hits]
        is_clear = not _is_beside_hours(text, queries[0], passages) and (
            result.kind != "vectors" or not _begins_like_another(passages)
        )
        return SearchResult(
            passages,
            bool(passages) and score >= above and is_clear,
            score,
            index.encoder_name,
            result.vector,
            suggestable=bool(passages) and score >= min(above, SUGGESTABLE_ABOVE[result.kind]),
            probable=above - PROBABLE_MARGIN <= score < above and is_clear and _leads(passages),
        )

    return PendingSearch(queries, finish)


def _leads(passages: Sequence[Passage]) -> bool:
    """True if no other section scores nearly as high as that of the first passage."""
    sections = [(passage.document, passage.heading) for passage in passages]
    others = [one.score for one, section in zip(passages, sections, strict=True) if section != sections[0]]
    return bool(passages) and max(others, default=0.0) <= (1 - _LEAD) * passages[0].score


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
