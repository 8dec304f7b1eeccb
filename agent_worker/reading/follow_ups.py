"""Follow-ups: which messages need the conversation to be understood, and what they are about.

"And in winter?" leaves out the question before it; "how long does it take?" asks something else about its subject. The
subject is carried from message to message until one stands alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

from agent_worker.knowledge.text.addresses import remove_addresses
from agent_worker.knowledge.text.analysis import content_words, synonyms, term, terms
from agent_worker.knowledge.text.query_splitting import begins_as_question
from agent_worker.knowledge.text.question_clauses import asks_something
from schemas.messages import TranscriptMessage
from schemas.ports import Passage

Dependence = Literal["none", "loose", "reference", "ellipsis"]
"""How much a message needs what was asked before. ``ellipsis``: it changes a part of the question before it;
``reference``: it asks something else about the same; ``loose``: it may do either, or stand alone."""

_MAX_CARRIED = 3
"""Earlier messages that are carried along."""
_MAX_WORDS = 60
"""Words of an earlier message that are carried along, the last ones."""
_MAX_ELLIPSIS_TERMS = 8
_MAX_REFERENCE_TERMS = 5
_MAX_LOOSE_TERMS = 2
_MAX_FRAGMENT_WORDS = 4
_MAX_LENGTH = 500
"""Characters of a message that may be a follow-up."""

_COURTESY = r"ok|okay|hm{1,5}|thanks|thank\syou|great|good\sto\sknow|perfect|i\ssee|right|danke|merci|gracias"
_JOINT = (
    r"and|but|or|so|no|nope|sorry|oh|wait|actually|also|then|even|in\scase|"
    r"und|aber|oder|nein|et|mais|ou|non|y|pero|e|ma|en"
)
_OPENER = re.compile(rf"\W{{0,3}}(?:(?P<joint>{_JOINT})|{_COURTESY})\b\W{{0,3}}", re.IGNORECASE)
_MAX_OPENERS = 6
_ELLIPSIS = re.compile(
    rf"(?:^\W{{0,3}}|[,.;!?]\s{{1,3}})(?:(?:{_JOINT})\W{{1,3}}){{0,4}}(?:(?:what|how)\s(?:about|if)|what['’]?s\swith|"
    r"same\s(?:for|with|thing|goes|here|question)|the\ssame\s(?:for|with)|even\sif|i\s(?:meant?|ment)|i\sasked\sabout|"
    r"was\sist\smit|wie\ssieht\ses\smit|ich\smein\w{1,3}|et\s(?:pour|si)|qué\stal|y\ssi|e\sse)\b",
    re.IGNORECASE,
)
_OPEN_REFERENCES = (
    re.compile(
        r"\b(?:that|this)(?=['’]s\b|\W{0,3}(?:$|[.,!?;])|\s(?:is|was|does|did|do|will|would|can|could|be|mean|work|cost|"
        r"include|apply|still|also|too|be|one|by|for|in|on|from|with|at|then|now)\b)",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b(?:is|does|do|did|for|into|about|of|with|like|after|before|than|to|on|in)\s(?:that|this|these|those)\b|"
        r"\b(?:these|those|him|hers|theirs|such)\b|\bhis\W{0,3}(?:$|[.,!?;])",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b(?:the|an?|this|that|each|which|other|every)\s(?:[\w'-]{1,20}+\s)?ones?\b|\b(?<!\bno\s)ones\b|"
        r"\b(?:the\sother|the\ssame|instead|(?:the|that)\slatter|(?:in|on|at|from|to)\sthere|else)\b",
        re.IGNORECASE,
    ),
)
_WORD = re.compile(r"\w+")
_REFERRING = frozenset([
    "that", "this", "these", "those", "such", "one", "ones", "other", "same", "instead", "latter", "there", "else",
    "it", "its", "they", "them", "their", "theirs", "he", "him", "his", "she", "her", "hers",
])  # fmt: skip
"""A reference has one of these words, if it is written in ASCII."""
_PRONOUN = re.compile(r"\b(?:it|its|they|them|their|he|she|his|her)\b", re.IGNORECASE)
_OBJECT = re.compile(
    r"\b(?:the|an?|any|some|more|extra)\s[\w'-]{1,20}\s(?:for|of|with|about|to|from|on|in|against)\s(?:it|them)\b",
    re.IGNORECASE,
)
"""In "a card for it" the card is not what the pronoun stands for."""
_IMPERSONAL = re.compile(
    r"\b(?:does|do|did|will|would|is|can|could)\sit\s(?:take|cost|matter|possible|ok|okay|allowed|safe|true|hurt|better|"
    r"necessary|too)\b[^.!?;]{0,40}?\bto\b|\bit\s(?:says|rains|snows|is\s(?:cold|hot|raining|freezing))\b",
    re.IGNORECASE,
)
_QUESTION_MARKS = ("?", "\uff1f", "\u061f")
_EDGES = ".,;:!?\"'()¿¡…\u061f\uff1f"
_OTHER_PRONOUNS = frozenset(
    word
    for line in (
        "dafür davon damit dazu dabei darauf daran darin darüber hierfür stattdessen",
        "daarvoor daarmee daarbij ervan ervoor",
        "ça cela ceci celui celle ceux celles eso esto ello isso isto disso nisso ciò tego tym temu",
        "это этого этим этому этом це цього цим цьому bu bunu bunun buna onu onun itu ini nó هذا هذه ذلك تلك",
        "यह इसे इसका इसकी इसमें یہ এটা এটি সেটা",
    )
    for word in line.split()
)
"""Pronouns of the other languages that stand for what was named before."""
_OTHER_DETERMINERS = frozenset(["das", "dies", "dieser", "dieses", "ihn", "ihm", "dat", "dit", "questo", "quello"])
"""Words that also stand before a noun. They are pronouns at the end of a message, and before these:"""
_AFTER_PRONOUN = frozenset(
    word
    for line in (
        "auch denn dann noch bei für im in mit so eigentlich jetzt schon überhaupt möglich erlaubt",
        "ook nog bij voor met op anche",
    )
    for word in line.split()
)
_UNSPACED_PRONOUNS = (
    *("これ", "それ", "あれ", "こちら", "そちら"),
    *("这个", "那个", "這個", "那個", "这要", "那要", "它"),
    *("그거", "그것", "그건", "이거", "이것", "이건"),
)
_MAX_OTHER_WORDS = 9
"""Words of a follow-up in those languages, of which all count."""
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)")
_PERSON = (
    r"(?:friend|mate|wife|husband|partner|girlfriend|boyfriend|son|daughter|kid|child|baby|mum|mom|mother|dad|father|parent|"
    r"sister|brother|family|boss|colleague|neighbou?r|gran|grandma|grandpa|aunt|uncle|guest|visitor)"
)
_ANTECEDENT = re.compile(
    r"\b(?:the|an?|my|our|your|this|these|those|some|any|which|what|both|every|each|another|\d{1,4})\s"
    rf"(?!{_PERSON}(?:s|ren|['’]s)?\b)[\w'’-]{{3,}}",
    re.IGNORECASE,
)
"""What a pronoun may stand for. Persons are left out, because the pronouns are mostly of things."""
_ATTRIBUTES = frozenset(
    map(term, ["long", "early", "late", "soon", "often", "far", "big", "cost", "price", "charge", "pay", "fee"])
)
_WHETHER = re.compile(r"\W{0,3}(?:do|does|is|are|will|would|must|should)\b", re.IGNORECASE)
_CHARGES = frozenset(map(term, ["cost", "charge", "fee", "pay", "extra", "free", "anything", "something"]))
_ASKS_BACK = re.compile(
    r"\W{0,3}(?:is|are|was|were)\s(?:that|this|it|those|these)\s(?!there\b)\w[^\n]{0,40}$", re.IGNORECASE
)
_INCLUDED = re.compile(
    r"\b(?:included|inclusive|inklusive|inbegriffen|enthalten|inclus(?:e|es|o|a|i)?|compris(?:e|es)?|inclu[ií]d[oa]s?|"
    r"inbegrepen|wliczon[ey])\W{0,3}$",
    re.IGNORECASE,
)
"""Ends a question that leaves out in what something may be included."""
_ALSO = re.compile(r"\b(?:too|as\swell|also)\W{0,3}$", re.IGNORECASE)
_GENERIC = frozenset(
    map(term, ["work", "apply", "count", "include", "possible", "allow", "allowed", "same", "true", "mean"])
)
"""Terms of a question about the same that say nothing of what is new in it."""
_UNITS = frozenset(map(term, ["hour", "day", "night", "week", "month", "year", "person", "adult", "child", "kid"]))


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A message, with what was asked before it in ``context``, empty for none."""

    words: str
    context: str
    dependence: Dependence

    @property
    def query(self) -> str:
        """The text to search for, with the conversation's subject."""
        if not self.context:
            return self.words
        if self.dependence == "ellipsis":
            return f"{_join_sentences(self.context)} {_join_sentences(self.words)}"
        return f"{_join_sentences(strip_openers(self.words))} {' '.join(content_words(self.context))}"

    @property
    def text(self) -> str:
        """The question with what it leaves out before it, on a line of its own."""
        before = " ".join(content_words(self.context)) if self.dependence == "reference" else self.context
        return f"{before}\n{self.words}" if before else self.words


def read_follow_up(text: str, history: Sequence[TranscriptMessage], about: str = "") -> FollowUp:
    """``about``: the subject that the contact pointed to: quoted words, or the title of an advertisement or product."""
    context = about or find_subject(history)
    return FollowUp(text, context, find_dependence(text) if context else "none")


def contextual_query(text: str, history: Sequence[TranscriptMessage]) -> str:
    """The text to search for when only one search is made: with the conversation's subject if it needs it."""
    follow_up = read_follow_up(text, history)
    return follow_up.query if follow_up.dependence in ("reference", "ellipsis") else text


def find_dependence(text: str) -> Dependence:
    """How much a message needs what was asked before it, by its words alone."""
    text = remove_addresses(text[: _MAX_LENGTH + 1])
    if len(text) > _MAX_LENGTH:
        return "none"
    count = len(set(terms(text)))
    if _ELLIPSIS.search(text):
        return "ellipsis" if count <= _MAX_ELLIPSIS_TERMS else "none"
    bare, is_joined = _split_openers(text)
    is_question = begins_as_question(bare) or asks_something(bare)
    is_asked = is_question or bare.rstrip().endswith(_QUESTION_MARKS)
    if is_asked and (_refers_elsewhere(bare) or (_INCLUDED.search(bare) and count <= _MAX_REFERENCE_TERMS)):
        return "reference"
    if not is_question:
        is_joined = is_joined or _ALSO.search(bare) is not None
        if (is_joined and count <= _MAX_ELLIPSIS_TERMS) or (count <= _MAX_REFERENCE_TERMS and _refers(bare)):
            return "ellipsis"
        is_fragment = count <= _MAX_LOOSE_TERMS and len(bare.split()) <= _MAX_FRAGMENT_WORDS
        return "ellipsis" if is_fragment and not count else "loose" if is_fragment else "none"
    if not count or (count <= _MAX_REFERENCE_TERMS and _refers(bare)) or _asks_whether_charged(bare):
        return "reference"
    return "loose" if count <= _MAX_LOOSE_TERMS else "none"


def _asks_whether_charged(text: str) -> bool:
    """True for "do I have to pay?" and "is there a charge?", which leave out for what."""
    return _WHETHER.match(text) is not None and set(terms(text)) <= _CHARGES


def find_subject(history: Sequence[TranscriptMessage]) -> str:
    """The contact's latest question, with the earlier ones that it needs; where these say too little, with the heading
    that the agent's answer cited."""
    carried: list[str] = []
    heading = ""
    for line in reversed(history):
        if line.author.kind != "contact":
            heading = heading or next((_last_heading(one.heading) or one.title for one in line.citations), "")
        elif terms(line.text):
            carried.insert(0, " ".join(line.text.split()[-_MAX_WORDS:]))
            if (_has_subject(line.text) and _asks(line.text)) or len(carried) == _MAX_CARRIED:
                break
    text = " ".join(carried)
    return f"{heading} {text}".strip() if len(set(terms(text))) < _MAX_LOOSE_TERMS else text


def asks_by_itself(text: str) -> bool:
    """True for a question that needs nothing said before it, so that it may be answered while another one is open."""
    dependence = find_dependence(text)
    return _asks(text) and (dependence == "none" or (dependence == "loose" and len(set(terms(text))) > 1))


def _asks(text: str) -> bool:
    """False for a statement, which mostly says more about the question before it."""
    bare = strip_openers(text)
    return "?" in text or begins_as_question(bare) or asks_something(bare)


def _has_subject(text: str) -> bool:
    """True if the message can stand alone, and says more than "how much per year"."""
    dependence = find_dependence(text)
    return dependence == "none" or (dependence == "loose" and bool(set(terms(text)) - _ATTRIBUTES - _UNITS))


def share_of_own_terms(words: str, passage: Passage) -> float:
    """The share of a follow-up's own words that a passage contains, or a synonym of them; 1 where it has none. "How
    long" and "price" count only where nothing else is said, because an answer gives a figure instead."""
    own = set(terms(strip_openers(remove_addresses(words))))
    own = own - _ATTRIBUTES or own
    said = set(terms(f"{passage.title} {passage.heading} {passage.text}"))
    found = {word for word in own if word in said or synonyms().get(word, frozenset()) & said}
    wanted = found | (own - _ATTRIBUTES)
    return len(found) / len(wanted) if wanted else 1


def contains_own_words(words: str, passage: Passage) -> bool:
    """True if the passage contains all that a follow-up says of its own beyond "does it also apply to"."""
    own = set(terms(strip_openers(remove_addresses(words)))) - _ATTRIBUTES - _GENERIC
    said = set(terms(passage.text))
    return bool(own) and all(word in said or synonyms().get(word, frozenset()) & said for word in own)


def asks_about_answer(words: str) -> bool:
    """True for "is that per night?" and "at night too?", which are about nothing but what was answered."""
    bare = strip_openers(words)
    is_about_it = _ASKS_BACK.match(bare) is not None or (
        _ALSO.search(bare) is not None and not begins_as_question(bare)
    )
    return is_about_it and len(set(terms(words))) <= _MAX_LOOSE_TERMS


def strip_openers(text: str) -> str:
    """The text without "and", "no, sorry" and the like at its beginning."""
    return _split_openers(text)[0]


def _split_openers(text: str) -> tuple[str, bool]:
    """The text without its openers, and whether one of them joins it to what was said before."""
    rest, is_joined = text, False
    for _ in range(_MAX_OPENERS):
        match = _OPENER.match(rest)
        if match is None or match.end() == len(rest):
            break
        is_joined = is_joined or match["joint"] is not None
        rest = rest[match.end() :]
    return rest, is_joined


def _refers(text: str) -> bool:
    """True if a pronoun stands for something outside the message."""
    if text.isascii() and _REFERRING.isdisjoint(_WORD.findall(text.lower())):
        return False
    starts = [match.start() for pattern in _OPEN_REFERENCES if (match := pattern.search(text))]
    if starts and not _names_before(text, min(starts)):
        return True
    pronoun = _OBJECT.search(text) or _PRONOUN.search(text)
    return pronoun is not None and not _IMPERSONAL.search(text) and not _ANTECEDENT.search(text[: pronoun.start()])


def _refers_elsewhere(text: str) -> bool:
    """As ``_refers``, in another language than English."""
    written = text.casefold().split()
    if len(written) > _MAX_OTHER_WORDS:
        return False
    words = [word.strip(_EDGES) for word in written]
    return (
        not _OTHER_PRONOUNS.isdisjoint(words)
        or any(pronoun in text for pronoun in _UNSPACED_PRONOUNS)
        or any(
            word in _OTHER_DETERMINERS and (after is None or after in _AFTER_PRONOUN)
            for word, after in zip_longest(words, words[1:])
        )
    )


def _names_before(text: str, place: int) -> bool:
    """True if an earlier clause of the message names what is referred to."""
    clause_end = max(text.rfind(mark, 0, place) for mark in ",.;!?")
    return clause_end > 0 and len(set(terms(text[:clause_end]))) > 1


def _last_heading(heading: str) -> str:
    return heading.rpartition(" > ")[2]


def _join_sentences(text: str) -> str:
    """The text as one sentence, so that it is searched for as a whole."""
    return " ".join(_SENTENCE_END.sub(" ", text).split())
