"""Checks whether a grounded sentence answers the customer's question: it does not merely refuse or repeat the question,
and what it cites is about the same thing, with the same polarity.

They know general language only. ``AnswerCheck`` is where a better reader takes the place of ``check_answer``.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Protocol

from agent_worker.grounding.names import unknown_names
from agent_worker.grounding.numbers import changed_quantities, find_quantities, normalize_characters
from agent_worker.knowledge.text.analysis import synonyms, terms
from agent_worker.knowledge.text.query_splitting import is_question, sentences_of
from agent_worker.knowledge.text.sentences import units_of
from agent_worker.nlu.language_detection import detect_language
from agent_worker.nlu.yes_no import yes_or_no
from schemas.ports import Passage

DENIAL = re.compile(
    r"\b(?:not|no|never|none|nothing|nobody|neither|nor|cannot|without|unable|nicht|nichts|kein\w*|nie|ohne)\b|n['’]t\b",
    re.IGNORECASE,
)
MIN_SAME_QUESTION = 0.6
"""The share of a heading's terms in the customer's question from which its Yes or No answers that question, too."""
MIN_ASKED_IN_HEADING = 0.5
"""Such a heading must have a larger share of the terms of the customer's question."""
MIN_DOUBTED_SHARE = 0.5
"""The share of a doubted question's terms that an answer must have."""
OPENING = re.compile(r"\W*([^\W\d_][^,.;:!?–—\n]{0,30}?)\s*[,.;:!–—]")
_BUT = re.compile(r"^(?:but|aber)\s+", re.IGNORECASE)
_HEADING_PART = re.compile(r"(?:[^>›»/|?]|(?<=\S)/(?=\S))+\??")
_LIMITS = re.compile(r"\b(?:only|except|solely|exclusively|nur|außer|ausschließlich|lediglich)\b", re.IGNORECASE)
_EXCLUDING = re.compile(
    r"^\W*(?:which|welche\w*)\b.*(?:\b(?:not|never|without|nicht|kein\w*|ohne)\b|n['’]t\b)", re.IGNORECASE
)
_OPEN_QUESTION = re.compile(
    r"\b(?:what|when|where|which|who|whom|whose|why|how|wann|wo|wohin|woher|welche\w*|wer|wem|wen|warum|wieso|wie)\b",
    re.IGNORECASE,
)
_CALENDAR = frozenset(
    word
    for line in (
        "monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays thursdays fridays",
        "saturdays sundays january february march april may june july august september october november december",
    )
    for word in line.split()
)
_CAPITALIZE_NOUNS = ("de", "lb")
"""Languages in which a capital does not make a name."""
_ACTION = "action:"
"""Beginning of the document of an action's result, which is about the thing that the action was called for."""
_REFUSAL_WORDS = frozenset(
    word
    for line in (
        "a able afraid allowed also am an and answer any are assist at be but can cannot carry comply",
        "continue could do feel for free further help i in is it m may moment must no not of on or out",
        "perform permitted possible proceed process re really request simply so sorry still t task that the",
        "this time to unable unfortunately very was we will with won you your",
        "aber auch bitte damit das dabei dies es darf dürfen erlaubt ich ihnen dir helfen ist kann können leid leider",
        "machen möglich nicht tut mir tun uns wir",
    )
    for word in line.split()
)
_SPEAKER = frozenset({"i", "we", "ich", "wir", "possible", "allowed", "permitted", "möglich", "erlaubt"})
"""Words of the one who refuses, or of a refusal in general: "You cannot do that" is a rule for the customer."""
_WORD = re.compile(r"[^\W\d_]+")


class AnswerCheck(Protocol):
    """Judges one sentence of an answer by one passage that it cites."""

    def __call__(self, question: str, sentence: str, cited: Passage) -> str | None:
        """The reason why ``sentence``, which ``cited`` supports, does not answer ``question``, written for the model
        that is to repair it. None if nothing is wrong. ``sentence`` has no citation marks. Must not block."""


def check_answer(question: str, sentence: str, cited: Passage) -> str | None:
    """The built-in AnswerCheck: polarity, negation and named things."""
    return (
        _check_opening(question, sentence, cited)
        or _check_exclusion(question, sentence, cited)
        or _check_named_things(question, sentence, cited)
    )


def is_refusal(sentence: str, own_phrases: Collection[str] = ()) -> bool:
    """Return whether it refuses and says nothing else: "I'm sorry, but I can't help with that." It consists of words
    that every refusal has. ``own_phrases``: the tenant's words for it."""
    text = normalize_characters(sentence)
    words = _words_of(text)
    return words in map(_words_of, own_phrases) or (
        bool(DENIAL.search(text)) and _REFUSAL_WORDS.issuperset(words) and not _SPEAKER.isdisjoint(words)
    )


def _words_of(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def repeats_question(question: str, sentence: str, source: str) -> bool:
    """Return whether a sentence takes nothing from its source but the words of the question. That may answer a
    yes-or-no question, but no other."""
    if not _OPEN_QUESTION.search(question) or DENIAL.search(sentence):
        return False
    own_terms, source_terms = set(terms(normalize_characters(sentence))), set(terms(normalize_characters(source)))
    alike = synonyms()
    said = {word for word in own_terms if word in source_terms or alike.get(word, frozenset()) & source_terms}
    asked = set(terms(normalize_characters(question)))
    return bool(own_terms) and said <= asked and set(find_quantities(sentence)) <= set(find_quantities(question))


def is_about(question: str, sentence: str, cited: Passage) -> bool:
    """Return whether the sentence and what its passage is headed with contain half of the question's words, as far as
    they are in one language. The result of an action is about what the action was called for."""
    said = f"{cited.title}\n{cited.heading}\n{sentence}"
    languages = {detect_language(question), detect_language(said)} - {""}
    if cited.document.startswith(_ACTION) or len(languages) > 1:
        return True
    asked, own = set(terms(normalize_characters(question))), set(terms(normalize_characters(said)))
    alike = synonyms()
    shared = sum(word in own or bool(alike.get(word, frozenset()) & own) for word in asked)
    return not asked or shared >= MIN_DOUBTED_SHARE * len(asked)


def _check_opening(question: str, sentence: str, cited: Passage) -> str | None:
    """A Yes or No must not contradict the cited one, nor be that of a different question."""
    opening, cited_opening = read_opening(sentence), read_opening(_cited_block(sentence, cited.text))
    if opening and cited_opening and opening != cited_opening and not _has_other_figures(question, cited):
        return "its passage answers the other way round: yes and no are exchanged"
    if has_foreign_opening(question, sentence, cited):
        answered = heading_question(cited.heading) or "one about another amount or time"
        return f"the Yes or No of its passage answers another question ({answered}): leave it out"
    return None


def has_foreign_opening(question: str, sentence: str, cited: Passage) -> bool:
    """Return whether the sentence opens with the Yes or No that its passage gives to another question."""
    opening = read_opening(sentence)
    return (
        bool(opening) and opening == read_opening(_cited_block(sentence, cited.text)) and not opens_for(question, cited)
    )


def opens_for(question: str, passage: Passage) -> bool:
    """Return whether the passage's Yes or No answers this question, as far as its heading and its figures tell: "Yes,
    within 14 days" does not answer whether it is possible after 3 weeks."""
    answered = heading_question(passage.heading)
    if answered and not is_same_question(answered, question):
        return False
    return not _has_other_figures(question, passage)


def _has_other_figures(question: str, passage: Passage) -> bool:
    """Return whether the question has an amount or a time of a kind of which the passage has only others."""
    written = find_quantities(f"{passage.heading}\n{passage.text}")
    return bool(changed_quantities(find_quantities(question), written))


def remove_opening(text: str) -> str:
    """The text without the Yes or No that it opens with, beginning with a capital. Empty if it says nothing else."""
    opening = OPENING.match(text)
    rest = _BUT.sub("", text[opening.end() :].lstrip()) if opening else text
    return rest[:1].upper() + rest[1:]


def heading_question(heading: str) -> str:
    """The question in a path of headings, empty for none."""
    parts = _HEADING_PART.findall(heading)
    return next((part.strip() for part in parts if part.endswith("?")), "")


def read_opening(text: str) -> str:
    """ "yes" or "no" if the text opens with one, in any language that a confirmation is read in."""
    found = OPENING.match(text)
    answer = yes_or_no(found[1]) if found else ""
    return answer if answer in ("yes", "no") else ""


def _cited_block(sentence: str, text: str) -> str:
    """The paragraph or list of the passage that shares most terms with the sentence."""
    blocks: dict[int, str] = {}
    for unit in units_of(text):
        blocks[unit.group] = f"{blocks.get(unit.group, '')} {unit.text}".strip()
    own_terms = set(terms(normalize_characters(sentence)))
    return max(blocks.values(), key=lambda block: len(own_terms & set(terms(block))), default="")


def is_same_question(answered: str, question: str) -> bool:
    """Return whether most terms of the question that a heading asks stand in the customer's, with the same negation,
    and more than half of the customer's in the heading: "Can you remove every stain?" does not ask whether that is
    included in the price. Amounts and times are compared elsewhere."""
    answered_terms, asked = set(terms(answered)), set(terms(question))
    if bool(DENIAL.search(answered)) != bool(DENIAL.search(question)):
        return False
    asking = [_terms_without_quantities(each) for each in sentences_of(question) if is_question(each)] or [asked]
    return _share(answered_terms, asked) >= MIN_SAME_QUESTION and any(
        _share(each, answered_terms) > MIN_ASKED_IN_HEADING for each in asking
    )


def _terms_without_quantities(text: str) -> set[str]:
    quantities = find_quantities(text)
    units = set(terms(" ".join(each.unit for each in quantities)))
    return {word for word in terms(text) if word not in units and not find_quantities(word)}


def _share(words: set[str], others: set[str]) -> float:
    """The share of the words that are among the others, or have a synonym there."""
    alike = synonyms()
    found = sum(word in others or bool(alike.get(word, frozenset()) & others) for word in words)
    return found / len(words) if words else 1.0


def _check_exclusion(question: str, sentence: str, cited: Passage) -> str | None:
    """ "Which do not need one?" is not answered by those that do, unless the passage's heading asks the same."""
    answered = heading_question(cited.heading)
    if _EXCLUDING.search(answered) and is_same_question(answered, question):
        return None
    if _EXCLUDING.search(question) and not (DENIAL.search(sentence) or _LIMITS.search(sentence)):
        return "the customer asks for what is not so, and it says what is"
    return None


def _check_named_things(question: str, sentence: str, cited: Passage) -> str | None:
    """What a yes-or-no question asks about by name must stand in the passage, unless the sentence only limits what is
    said. In other questions names often are circumstances ("I am in Leeds, what does it cost?")."""
    if cited.document.startswith(_ACTION) or (_LIMITS.search(sentence) and not read_opening(sentence)):
        return None
    source = f"{cited.title}\n{cited.heading}\n{cited.text}"
    asking = [each for each in sentences_of(question) if is_question(each) and not _OPEN_QUESTION.search(each)]
    # The first word has its capital from its place.
    later_words = [f"the {each.partition(' ')[2]}" for each in asking]
    missing = [name for words in later_words for name in unknown_names(words, source) if _is_name(name)]
    if not missing or _has_other_capitals(question):
        return None
    return f"its passage does not mention {missing[0]!r}, which the customer asks about"


def _is_name(word: str) -> bool:
    """Order numbers and addresses are not: documents do not hold them. Nor is "OK"."""
    return word.replace("-", "").isalpha() and word.casefold() not in _CALENDAR and not yes_or_no(word)


def _has_other_capitals(question: str) -> bool:
    """Return whether capitals mean something other than a name: in German, and where everything has them."""
    words = [word for word in _WORD.findall(question) if len(word) > 2]
    capitals = sum(word[0].isupper() for word in words)
    return capitals * 2 > len(words) > 2 or detect_language(question) in _CAPITALIZE_NOUNS
