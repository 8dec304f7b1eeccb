"""The questions of one turn, and the passages found for each of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from agent_worker.knowledge.text.query_splitting import MAX_QUESTIONS, SplitQuestion, split_questions, with_context
from agent_worker.models.local.small_talk import asks_for_person, classify_small_talk
from schemas.messages import TranscriptMessage
from schemas.ports import Passage, QuestionPart, SearchResult

MAX_PASSAGES = 24
"""Passages kept from several searches together."""
Search = Callable[[str, str], Awaitable[SearchResult]]
"""Searches a tenant's documents: called with the contact's own words, and with the same in their context."""


@dataclass(frozen=True, slots=True)
class Query:
    """The text of the waiting messages that is left to answer. ``questions``: the single questions, if there are
    several; ``excess``: questions beyond the limit of one turn."""

    text: str
    questions: Sequence[SplitQuestion] = ()
    excess: Sequence[SplitQuestion] = ()


def build_query(texts: Sequence[str], is_request: Callable[[str], bool] = lambda _: False) -> Query:
    """The questions in the contact's messages. Small talk, requests for a person and what else ``is_request`` need no
    answer from the documents."""
    text = "\n".join(texts)
    split = split_questions(texts, lambda sentence: asks_for_person(sentence) or is_request(sentence))
    if len(split) < 2:
        return Query(text)
    questions = [one for one in split if not asks_for_person(one.words) and not classify_small_talk(one.words, ())]
    return Query(text, questions[:MAX_QUESTIONS], questions[MAX_QUESTIONS:])


async def search_query(
    query: Query, history: Sequence[TranscriptMessage], search: Search, context: str = ""
) -> SearchResult:
    """Search for the messages as a whole. ``context``: see ``with_context``."""
    return await search(query.text, with_context(query.text, history, context))


async def search_parts(query: Query, search: Search) -> list[QuestionPart]:
    """Search for each of several questions by itself, because one passage seldom answers two, or together with the
    question that it refers to."""
    parts: list[QuestionPart] = []
    for question in query.questions:
        parts.append(await _search_part(question, parts[-1].text if parts else "", search))
    return parts


async def _search_part(question: SplitQuestion, previous: str, search: Search) -> QuestionPart:
    if not (previous and question.is_follow_up):
        found = await search(question.text, question.text)
        if found.answerable or not previous or not question.is_brief:
            return QuestionPart(question.text, found, question.words, question.is_question)
    text = f"{previous}\n{question.words}"
    return QuestionPart(text, await search(text, text), question.words, question.is_question)


def merge_results(results: Sequence[SearchResult]) -> SearchResult:
    """The results for several questions, the best of each first, and each passage once."""
    first, *_ = results
    passages: dict[tuple[str, str, str], Passage] = {}
    for rank in range(max(len(result.passages) for result in results)):
        for result in results:
            for passage in result.passages[rank : rank + 1]:
                passages.setdefault((passage.document, passage.heading, passage.text), passage)
    return replace(
        first,
        passages=list(passages.values())[:MAX_PASSAGES],
        answerable=any(result.answerable for result in results),
        confidence=max(result.confidence for result in results),
        stale=any(result.stale for result in results),
    )
