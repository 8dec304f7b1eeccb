"""Sections that the documents have on a question, offered as choices when none of them surely answers it.

A picked choice comes back as a message. It is answered from the section that it stands for, whatever else a search
finds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

from agent_worker.actions.slot_filling.references import match_position
from agent_worker.knowledge.text.analysis import terms
from agent_worker.knowledge.text.query_splitting import is_question
from agent_worker.knowledge.vectors.embedding import short_heading
from agent_worker.nlu.classification import thanks_for_no
from agent_worker.nlu.yes_no import yes_or_no
from agent_worker.voice import Voice
from schemas.choice_matching import match_choice
from schemas.messages import Choice, Citation, InboundMessage, TranscriptMessage
from schemas.ports import AnswerDraft, Passage, SearchResult

MAX_SUGGESTIONS = 3
_PREFIX = "section:"
_NONE = f"{_PREFIX}none"
_NEITHER = f"{_PREFIX}neither"
"""Instead of it below a section that was quoted as the closest, so that a yes means that section."""
_MAX_LABEL = 120
_NONE_IN_WORDS = re.compile(
    r"(?:no,? )?(?:none|neither|nothing)(?: of (?:them|those|these|that|it))?|kein\w{0,2} davon|nichts davon|aucune?s?|"
    r"ningun[oa]s?|nessun[oa]|nenhum[a]?|geen(?: van (?:deze|die))?|żadn\w{1,3}(?: z nich)?|ничего из этого|ни одно",
    re.IGNORECASE,
)
"""As people write it, not as the choice says it."""
_AND = r"\s{0,3}(?:,\s{0,3}(?:and|und)?|and|und|et|y|e|en|i|&|\+)\s{0,3}"
_POLITE = r"(?:,?\s{0,3}(?:please|thanks|bitte|then|dann))?\W{0,3}"
_NUMBERS = re.compile(rf"\W{{0,3}}\d(?:{_AND}\d){{1,2}}{_POLITE}", re.IGNORECASE)
_DIGITS = re.compile(r"\d")
_BOTH = re.compile(
    rf"(?:both(?: of (?:them|those|these))?|the first two|(?:alle |die ersten )?(?:beide|zwei)|les deux|l[oa]s dos|"
    rf"ambos|entrambi|tutti e due|os dois|ambas|allebei|oba|obie|oboje|her ikisi|ikisi de|оба|обе|обидва){_POLITE}",
    re.IGNORECASE,
)
"""The first two."""
_ALL = re.compile(
    rf"(?:all(?: (?:of (?:them|those|these)|two|three))?|alle(?: (?:zwei|drei))?|tous|toutes|tod[oa]s|tutt[ie]|"
    rf"wszystkie|hepsi|все|всі){_POLITE}",
    re.IGNORECASE,
)
_MAX_NAMED_WORDS, _MAX_PICKING_WORDS = 3, 5
"""Search terms, and words in all, of a message that names a section by some of its label's words."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a contact picked among suggestions. ``sections``: the choices, empty for none of them; ``question``: the
    message that they explain."""

    sections: tuple[Choice, ...]
    question: str


def section_id(passage: Passage) -> str:
    """The id of a choice for the passage's section. It stays the same when the document is edited."""
    return _id_of(passage.document, passage.heading)


def _id_of(document: str, heading: str) -> str:
    name = f"{document}\0{heading}"
    return _PREFIX + blake2b(name.encode(), digest_size=8).hexdigest()


def suggestions_of(results: Iterable[SearchResult], *, quoted: Sequence[Citation] = ()) -> list[Choice]:
    """Up to three sections of what was found for unanswered questions, the first of each before the second of any.
    Empty unless a result is ``suggestable``. Sections that the reply has ``quoted`` are left out if others remain."""
    rows = [_sections(result.related_passages) for result in results if result.suggestable]
    longest = max(map(len, rows), default=0)
    chosen = {choice.id: choice for place in range(longest) for row in rows for choice in row[place : place + 1]}
    shown = {_id_of(one.document, one.heading) for one in quoted}
    unseen = [choice for choice in chosen.values() if choice.id not in shown]
    return (unseen or list(chosen.values()))[:MAX_SUGGESTIONS]


def _sections(passages: Sequence[Passage]) -> list[Choice]:
    labels: dict[str, str] = {}
    for passage in sorted(passages, key=lambda each: each is not passages[0] and _is_introduction(each)):
        labels.setdefault(section_label(passage), section_id(passage))
    return [Choice(id=id_, label=label) for label, id_ in labels.items()]


def _is_introduction(passage: Passage) -> bool:
    """True for what stands above the first heading and has no figure: it mostly says what the document is about."""
    return not passage.heading and not _DIGITS.search(passage.text)


def section_label(passage: Passage) -> str:
    """The section's heading. Unless it is a question, it needs the document's title."""
    heading = short_heading(passage.heading)
    whole = heading or passage.title
    if heading and not heading.endswith("?") and heading.casefold() != passage.title.casefold():
        whole = f"{passage.title}: {heading}"
    return whole if len(whole) <= _MAX_LABEL else f"{whole[: _MAX_LABEL - 1].rstrip()}…"


def suggestion_draft(choices: Sequence[Choice], voice: Voice, model: str) -> AnswerDraft:
    """Ask which of the sections the contact means. Asserts nothing."""
    none = Choice(id=_NONE, label=voice.none_of_these)
    return AnswerDraft(text=voice.did_you_mean, answered=False, choices=[*choices, none], model=model)


def closest_draft(closest: AnswerDraft, others: Sequence[Choice], voice: Voice) -> AnswerDraft:
    """The section quoted as the closest, with the other sections to choose from. Asserts nothing either."""
    none = Choice(id=_NEITHER, label=voice.none_of_these)
    return replace(closest, choices=[*others, none])


def has_suggestions(choices: Iterable[Choice]) -> bool:
    return any(choice.id.startswith(_PREFIX) for choice in choices)


def is_none_of_these(choice: str) -> bool:
    """True for the id of the choice that refuses all suggestions."""
    return choice in (_NONE, _NEITHER)


def find_selection(message: InboundMessage, history: Sequence[TranscriptMessage]) -> Selection | None:
    """The suggestions that the message picks, by a choice or in words ("2", "the second one", "1 and 3"). None if the
    last reply suggested nothing, or the message says something else."""
    place = _place_of_last_reply(history)
    offered = history[place].choices if place is not None else []
    if not has_suggestions(offered):
        return None
    picked = _find_picked(message, offered)
    if not picked or not has_suggestions(picked):
        return None
    asked = next((line.text for line in reversed(history[:place]) if line.author.kind == "contact"), "")
    return Selection(tuple(_sections_among(picked)), asked)


def last_suggestions(history: Sequence[TranscriptMessage]) -> list[Choice]:
    """The sections that the last reply offered, without "none of these". Empty if it quoted another one as the
    closest."""
    place = _place_of_last_reply(history)
    offered = [] if place is None else history[place].choices
    return [] if follows_closest(offered) else _sections_among(offered)


def follows_closest(offered: Iterable[Choice]) -> bool:
    """True for the choices below a section that was quoted as the closest."""
    return any(choice.id == _NEITHER for choice in offered)


def _place_of_last_reply(history: Sequence[TranscriptMessage]) -> int | None:
    return next((n for n in reversed(range(len(history))) if history[n].author.kind != "contact"), None)


def _sections_among(choices: Iterable[Choice]) -> list[Choice]:
    return [choice for choice in choices if choice.id.startswith(_PREFIX) and not is_none_of_these(choice.id)]


def _find_picked(message: InboundMessage, offered: Sequence[Choice]) -> list[Choice]:
    if message.choice is not None:
        return [choice for choice in offered if choice.id == message.choice.id]
    text, sections = message.text.strip(), _sections_among(offered)
    answer = yes_or_no(text) if has_suggestions(offered) else ""
    if answer == "no" and thanks_for_no(text):
        return []  # "no thanks" looks for nothing any more
    if answer == "no" or (sections and _NONE_IN_WORDS.fullmatch(text)):
        return [choice for choice in offered if is_none_of_these(choice.id)]
    if answer == "yes":
        return sections if len(sections) == 1 and not follows_closest(offered) else []
    if several := _find_several(text, sections):
        return several
    picked = match_choice(text, offered) or match_position(text, offered) or _find_by_words(text, sections)
    return [] if picked is None else [picked]


def _find_several(text: str, sections: Sequence[Choice]) -> list[Choice]:
    """The sections of "1 and 3", "both" or "all of them"."""
    if _ALL.fullmatch(text):
        return list(sections)
    if _BOTH.fullmatch(text):
        return list(sections[:2])
    numbers = [int(number) for number in _DIGITS.findall(text)] if _NUMBERS.fullmatch(text) else []
    return [sections[n - 1] for n in numbers] if all(0 < n <= len(sections) for n in numbers) else []


def _find_by_words(text: str, sections: Sequence[Choice]) -> Choice | None:
    """The only section whose label contains all of the few words: "the train one"."""
    words = set(terms(text[:_MAX_LABEL]))
    if not words or len(words) > _MAX_NAMED_WORDS or len(text.split()) > _MAX_PICKING_WORDS or is_question(text):
        return None
    named = [choice for choice in sections if words <= set(terms(choice.label))]
    headed = [choice for choice in named if words == set(terms(choice.label.rpartition(": ")[2]))]
    return next((found[0] for found in (headed, named) if len(found) == 1), None)


def select_section(result: SearchResult, section: Choice) -> SearchResult | None:
    """The passages of the picked section, as an answer. None if they were not found, because the document has
    changed."""
    passages = [passage for passage in result.passages if section_id(passage) == section.id]
    return replace(result, passages=passages, answerable=True, confidence=1.0) if passages else None
