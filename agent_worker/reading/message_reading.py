"""A message as a question with the passages found for it, without a turn: for checks, trials and evaluations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from agent_worker.nlu.language_detection import detect_language
from agent_worker.reading.retrieval import build_query, merge_results, search_parts, search_query
from schemas.messages import TranscriptMessage
from schemas.ports import Question, SearchResult

LanguageSearch = Callable[[str, str], Awaitable[SearchResult]]
"""Searches a tenant's documents: called with a text and its language."""


async def read_message(
    tenant: str, text: str, history: Sequence[TranscriptMessage], language: str, search: LanguageSearch
) -> Question:
    """Search as a turn does. ``language``: the tenant's, for texts that do not show theirs."""
    locale = detect_language(text, language)

    async def search_words(_words: str, query: str) -> SearchResult:
        return await search(query, locale)

    query = build_query([text])
    whole = await search_query(query, history, search_words)
    parts = await search_parts(query, history, search_words)
    return Question(
        tenant=tenant,
        text=query.text,
        history=history,
        search_result=merge_results([whole.search_result, *(part.search_result for part in parts)]),
        locale=locale,
        parts=parts,
        excess_questions=[one.words for one in query.excess if one.is_question],
        resolved="" if parts else whole.text,
    )


async def discard(_sentence: str) -> None:
    """An Emit for answers that nobody watches while they are written."""
