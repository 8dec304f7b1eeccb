"""The questions of one turn, and the passages found for each of them.

A follow-up is searched for with and without its context, and the surer reading is kept: one more search at most.
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from agent_worker.knowledge.text.query_splitting import (
    MAX_QUESTIONS,
    SplitQuestion,
    is_single_clause,
    split_questions,
)
from agent_worker.knowledge.vectors.embedding import short_heading
from agent_worker.models.local.small_talk import asks_for_person, classify_small_talk
from agent_worker.reading.contact_details import find_contact_details
from agent_worker.reading.follow_ups import (
    Dependence,
    FollowUp,
    asks_about_answer,
    contains_own_words,
    find_dependence,
    find_subject,
    read_follow_up,
    share_of_own_terms,
    strip_openers,
)
from agent_worker.reading.suggestions import Selection, select_section
from schemas.messages import TranscriptMessage
from schemas.ports import Passage, QuestionPart, SearchResult

MAX_PASSAGES = 24
"""Passages kept from several searches together."""
_OWN_WEIGHT = {"ellipsis": 0.2, "reference": 0.3, "loose": 0.3, "none": 0.3}
"""Weight of the search for the follow-up's own words, against the search in context; in the logarithm of the score."""
_UNSEEN_SCORE = 0.05
"""Score of a passage in the search that did not find it."""
_LEAST_SCORE = 0.001
_AMONG_FIRST = 3
_LESS_SURE = 0.9
"""Share of its confidence that counts for a follow-up with something left out when it is read without its context."""
_WORD = re.compile(r"\w+")
_UNCOVERED = 0.6
"""Share of its score that a passage keeps which contains none of the follow-up's own words."""
_REPEATED = 0.5
"""Share of the confidence that remains when the best passage contains none of them: it probably answers the question
before once more."""
_MIN_COVERED = 0.6
"""Share of the own words that the best passage must contain for a question that could stand alone."""
Search = Callable[[str, str], Awaitable[SearchResult]]
"""Searches a tenant's documents: called with the contact's own words, and with the same in their context."""


@dataclass(frozen=True, slots=True)
class Query:
    """The text of the waiting messages that is left to answer. ``questions``: the single questions, if there are
    several; ``excess``: questions beyond the limit of one turn."""

    text: str
    questions: Sequence[SplitQuestion] = ()
    excess: Sequence[SplitQuestion] = ()


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The passages for a query, and for each of its questions. ``resolved``: the query's text with what a follow-up
    leaves out. ``is_picked``: the contact picked the section. ``is_danger``: the contact seems to report a danger to
    life; then the single questions were not looked up."""

    search_result: SearchResult
    parts: Sequence[QuestionPart] = ()
    resolved: str = ""
    is_picked: bool = False
    is_danger: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to understand a question: its ``text``, with what it leaves out, and what was found for it."""

    text: str
    search_result: SearchResult


def build_query(texts: Sequence[str], is_request: Callable[[str], bool] = lambda _: False) -> Query:
    """The questions in the contact's messages. Small talk, requests for a person and what else ``is_request`` need no
    answer from the documents."""
    text = "\n".join(texts)
    if len(texts) == 1 and is_single_clause(text):
        return Query(text)
    split = split_questions(texts, lambda sentence: asks_for_person(sentence) or is_request(sentence))
    if len(split) < 2:
        return Query(text)
    questions = [one for one in split if not asks_for_person(one.words) and not classify_small_talk(one.words, ())]
    return Query(text, questions[:MAX_QUESTIONS], questions[MAX_QUESTIONS:])


async def search_query(
    query: Query, history: Sequence[TranscriptMessage], search: Search, context: str = ""
) -> Reading:
    """Search for the messages as a whole. ``context``: what they refer to, if not to the conversation."""
    words = query.text
    found = await search(words, words)
    alone = find_contact_details(words, found)
    if alone is not found or query.questions or not (context or history):
        return Reading(words, alone)
    dependence = find_dependence(words)
    if _is_enough(words, alone, dependence):
        return Reading(words, alone)
    reading = await _compare(FollowUp(words, context or find_subject(history), dependence), alone, search)
    return reading if context else _prefer_cited(words, dependence, reading, history)


def _prefer_cited(
    words: str, dependence: Dependence, reading: Reading, history: Sequence[TranscriptMessage]
) -> Reading:
    """The section that the last reply quoted, if it is near the first and contains all that a follow-up says of its
    own. Where nothing surely answers, it is offered first. "Is that per night?" is about nothing else, so that another
    section is at most offered."""
    last = next((line for line in reversed(history) if line.author.kind != "contact"), None)
    cited = {(one.document, one.heading) for one in last.citations} if last is not None else set()
    found, asks_back = reading.search_result, asks_about_answer(words)
    place = next((n for n, one in enumerate(found.passages) if (one.document, one.heading) in cited), None)
    if dependence == "none" or (place is None and not asks_back):
        return reading
    if place is None:
        offered = replace(found, answerable=False, probable=False, suggestable=found.may_answer)
        return replace(reading, search_result=offered)
    passage = found.passages[place]
    if dependence == "loose" and place and found.answerable and contains_own_words(words, found.passages[0]):
        return reading
    answers = contains_own_words(words, passage) and (place < _AMONG_FIRST or asks_back)
    is_about_it = dependence in ("reference", "ellipsis") and not found.answerable
    if not (answers or asks_back or is_about_it):
        return reading
    others = [*found.passages[:place], *found.passages[place + 1 :]]
    passages = [replace(passage, related=True), *others]
    preferred = replace(found, passages=passages, answerable=answers, probable=False, suggestable=True)
    return replace(reading, search_result=preferred)


async def search_parts(
    query: Query, history: Sequence[TranscriptMessage], search: Search, context: str = ""
) -> list[QuestionPart]:
    """Search for each of several questions by itself, because one passage seldom answers two, or together with the
    question that it refers to: the one before it in the messages, for the first one that of the conversation."""
    parts: list[QuestionPart] = []
    for question in query.questions:
        if parts:
            follow_up = FollowUp(question.words, parts[-1].text, find_dependence(question.words))
        else:
            follow_up = read_follow_up(question.words, history, context)
        reading = await _read_part(question, follow_up, search)
        parts.append(QuestionPart(reading.text, reading.search_result, question.words, question.is_question))
    return parts


async def _read_part(question: SplitQuestion, follow_up: FollowUp, search: Search) -> Reading:
    if follow_up.dependence != "none" or question.text == question.words:
        return await _read(follow_up, search)
    alone = Reading(question.words, await search(question.words, question.words))
    told = Reading(question.text, await search(question.text, question.text))
    return max(told, alone, key=lambda one: one.search_result.confidence)


async def _read(follow_up: FollowUp, search: Search) -> Reading:
    """The surer of the readings with and without context."""
    return await _compare(follow_up, await search(follow_up.words, follow_up.words), search)


async def _compare(follow_up: FollowUp, alone: SearchResult, search: Search) -> Reading:
    """As ``_read``, when the own words were searched for already."""
    words = follow_up.words
    if not follow_up.context or _is_enough(words, alone, follow_up.dependence):
        return Reading(words, alone)
    joint = _join(follow_up, alone, await search(words, follow_up.query))
    return Reading(words, alone) if _is_surer_alone(follow_up, alone, joint) else Reading(follow_up.text, joint)


def _is_enough(words: str, alone: SearchResult, dependence: Dependence) -> bool:
    """True if no reading in context could be surer, whatever the context."""
    if dependence == "loose":
        is_complete = any(_is_asked_by(words, each) for each in alone.passages[:_AMONG_FIRST])
        return is_complete or not (alone.has_documents or alone.passages)
    return dependence == "none"


def _is_asked_by(words: str, passage: Passage) -> bool:
    """Return whether the passage's heading is this very question, and so a complete one."""
    heading = _WORD.findall(short_heading(passage.heading).casefold())
    return passage.heading.endswith("?") and heading == _WORD.findall(strip_openers(words).casefold())


def _is_surer_alone(follow_up: FollowUp, alone: SearchResult, joint: SearchResult) -> bool:
    if follow_up.dependence == "reference":
        return False
    if follow_up.dependence != "ellipsis":
        is_about = bool(joint.passages) and share_of_own_terms(follow_up.words, joint.passages[0]) >= _MIN_COVERED
        if not joint.answerable or not is_about:
            return True
        return alone.answerable and alone.confidence >= joint.confidence
    # "And for motorcycles?" leaves out what it is about, so that it is seldom complete by itself.
    return alone.answerable and alone.confidence * _LESS_SURE >= joint.confidence


def _join(follow_up: FollowUp, alone: SearchResult, contextual: SearchResult) -> SearchResult:
    """What was found in context, ordered also by what was found for the own words and contains them."""
    own, others = _scores(alone), _scores(contextual)
    passages = _merge([*contextual.passages, *alone.passages])
    if not passages:
        return contextual
    weight = _OWN_WEIGHT[follow_up.dependence]
    covered = {key: share_of_own_terms(follow_up.words, passage) for key, passage in passages.items()}
    scores = {
        key: math.exp(
            weight * math.log(max(own.get(key, _UNSEEN_SCORE), _LEAST_SCORE))
            + (1 - weight) * math.log(max(others.get(key, _UNSEEN_SCORE), _LEAST_SCORE))
        )
        * (_UNCOVERED + (1 - _UNCOVERED) * covered[key])
        for key in passages
    }
    ranked = sorted(passages, key=lambda key: -scores[key])
    best = scores[ranked[0]]
    is_covered = covered[ranked[0]] > 0
    return replace(
        contextual,
        passages=[replace(passages[key], score=round(scores[key] / best, 4)) for key in ranked],
        answerable=contextual.answerable and is_covered,
        suggestable=contextual.suggestable or alone.suggestable,
        probable=contextual.probable and is_covered,
        confidence=round(contextual.confidence * (1.0 if is_covered else _REPEATED), 4),
        vector=alone.vector,
        stale=alone.stale or contextual.stale,
    )


def _scores(result: SearchResult) -> dict[tuple[str, str, str], float]:
    return {_key(passage): passage.score for passage in result.passages}


def _key(passage: Passage) -> tuple[str, str, str]:
    return passage.document, passage.heading, passage.text


def _merge(passages: Iterable[Passage]) -> dict[tuple[str, str, str], Passage]:
    """Each passage once, related if one search found it so."""
    merged: dict[tuple[str, str, str], Passage] = {}
    for passage in passages:
        known = merged.setdefault(_key(passage), passage)
        merged[_key(passage)] = replace(known, related=known.related or passage.related)
    return merged


def merge_results(results: Sequence[SearchResult]) -> SearchResult:
    """The results for several questions, the best of each first, and each passage once."""
    first, *_ = results
    ranks = range(max(len(result.passages) for result in results))
    passages = _merge([passage for rank in ranks for result in results for passage in result.passages[rank : rank + 1]])
    return replace(
        first,
        passages=list(passages.values())[:MAX_PASSAGES],
        answerable=any(result.answerable for result in results),
        confidence=max(result.confidence for result in results),
        suggestable=any(result.suggestable for result in results),
        probable=first.probable,
        stale=any(result.stale for result in results),
    )


async def retrieve_sections(selection: Selection, search: Search) -> Retrieval:
    """Look for the sections that the contact picked. A single one whose document has changed is searched for like any
    question."""
    found = [await search(one.label, one.label) for one in selection.sections]
    sections = [select_section(result, one) for result, one in zip(found, selection.sections, strict=True)]
    if len(sections) == 1:
        text = f"{selection.question}\n{selection.sections[0].label}"
        return Retrieval(sections[0] or found[0], resolved=text, is_picked=sections[0] is not None)
    results = [section or replace(result, answerable=False) for section, result in zip(sections, found, strict=True)]
    labels = [one.label for one in selection.sections]
    parts = [
        QuestionPart(f"{selection.question}\n{label}", result, label, True)
        for label, result in zip(labels, results, strict=True)
    ]
    return Retrieval(merge_results(results), parts, is_picked=True)
