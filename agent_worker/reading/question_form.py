"""Form of a question: the kind of answer that it wants, and whether it is negated. Knows no trade's words.

Only English is read. A question in another language has no known form, and is judged by its vectors alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Wanted = Literal[
    "polar",
    "price",
    "count",
    "duration",
    "time",
    "measure",
    "frequency",
    "place",
    "person",
    "reason",
    "manner",
    "choice",
    "colour",
    "",
]
"""``polar``: yes or no; ``measure``: a size, distance, temperature or weight; empty: not known."""

_AUXILIARY = (
    r"(?:do|does|did|is|are|am|was|were|can|could|will|would|should|shall|may|might|must|has|have|had|isn't|aren't|"
    r"don't|doesn't|didn't|can't|cannot|couldn't|won't|wouldn't|shouldn't|haven't|hasn't|isnt|arent|dont|doesnt|didnt|"
    r"cant|couldnt|wont|wouldnt|shouldnt|havent|hasnt)"
)
_SUBJECT = (
    r"(?:i|we|you|he|she|it|they|there|this|that|these|those|the|a|an|my|our|your|his|her|their|any|anyone|anybody|"
    r"someone|somebody|all|both|each|every|some|one|u|ya)"
)
# The first that matches decides, so what is more specific comes first.
_FORMS: tuple[tuple[Wanted, str], ...] = (
    (
        "price",
        r"\bhow much (?:is|are|does|do|did|would|will|for|to|will it|it|you charge|they)\b|\bwhat (?:does|do|would|will) "
        r"(?:[\w'-]+ ){0,6}?(?:cost|charge)\b|\bhow (?:expensive|dear|pricey)\b|"
        r"\b(?:what|which)(?:'s| is| are|s)? (?:the |your |a )?(?:[\w'-]+ ){0,2}?"
        r"(?:price|cost|fee|fees|charge|charges|rate|prices|costs)\b|"
        r"^(?:and |so )?(?:price|cost|fee)\b|\bwhat (?:will|would|do) (?:i|we|you) (?:have to |need to )?"
        r"(?:pay|spend|owe)\b|\bset me back\b|\bhow much (?:[\w'-]+ ){0,3}(?:cost|pay|charge|spend)\b",
    ),
    ("duration", r"\bhow (?:long|soon|fast|quick|quickly|old|late|early)\b|\bhow many (?:\w+ )?(?:second|minute|hour|day|"
     r"week|month|year|business day|working day)s?\b|\bhow much (?:time|notice|longer)\b"),
    ("frequency", r"\bhow (?:often|frequently|regularly|many times)\b"),
    ("measure", r"\bhow (?:tall|big|deep|far|hot|cold|high|low|wide|large|heavy|warm|bright|strong|thick|small|close|near)"
     r"\b|\bwhat (?:size|temperature|depth|height|width|length|weight|distance|percentage|ph)\b"),
    ("count", r"\bhow (?:many|much)\b|\bwhat (?:number|amount|quantity)\b|"
     r"\b(?:maximum|minimum|limit|max|min)(?: number| amount)?(?: of [\w -]+)?\?"),
    ("time", r"\b(?:when|what time|what times|which days?|what days?|which months?|what months?|which dates?|what date|"
     r"until when|by when|since when|from when|what hours|opening hours)\b"),
    ("colour", r"\b(?:what|which) colou?rs?\b"),
    ("place", r"\bwhere\b|\bwhich (?:address|country|countries|city|room|place|shop|page|menu)\b|\bwhat (?:address|"
     r"country|countries|city|place)\b"),
    ("person", r"\b(?:who|whom|whose)\b"),
    ("reason", r"\b(?:why|how come|what for|for what reason|what's the reason|what is the reason)\b"),
    ("manner", rf"\bhow\s+(?:exactly |else )?(?:{_AUXILIARY}|to|about|i|we|you|it)\b|\bhow's\b|^how\b|"
     r"\bwhat (?:do|should|shall|must|can|could) (?:i|we|you)(?: \w+)? do\b"),
    ("choice", r"\b(?:which|what (?:kind|kinds|sort|sorts|type|types|is the difference|are the differences)|"
     r"difference between)\b"),
)  # fmt: skip
_FORM_PATTERNS = tuple((wanted, re.compile(pattern, re.IGNORECASE)) for wanted, pattern in _FORMS)
_WHAT = re.compile(r"\b(?:what|whats|what's)\b", re.IGNORECASE)
_POLAR = re.compile(
    rf"^\W*(?:(?:and|so|but|or|ok|okay|well|hi|hello|hey|also|then|please|sorry|just|now)\W+)*{_AUXILIARY}\s+(?:not\s+)?"
    rf"{_SUBJECT}\b",
    re.IGNORECASE,
)
_POLAR_INSIDE = re.compile(rf"(?:^|[,;:–—-]\s*|\b(?:so|but|and|then)\s+){_AUXILIARY}\s+(?:not\s+)?{_SUBJECT}\b", re.I)
_LOOSE_POLAR = re.compile(rf"^\W*(?:(?:and|so|but|or)\W+)*(?:{_AUXILIARY}|any|ok to|okay to|possible to)\b", re.I)
_TAG = re.compile(r",?\s*(?:right|correct|yes|no|isn't it|is it|don't you|do you)\s*\?\s*$", re.IGNORECASE)
_CLAUSES = re.compile(r"(?<=[.!?;])\s+|\n+")
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|without|neither|nor|unable|cannot|can't|don't|doesn't|didn't|isn't|aren't|"
    r"won't|wouldn't|shouldn't|couldn't|haven't|hasn't|wasn't|weren't|dont|doesnt|didnt|isnt|arent|wont|cant|couldnt|"
    r"wouldnt|shouldnt|havent|hasnt)\b",
    re.IGNORECASE,
)
_SUGGESTING = re.compile(
    r"^\W*(?:(?:so|and|but)\W+)*(?:isn'?t|aren'?t|don'?t|doesn'?t|can'?t|won'?t|couldn'?t|wouldn'?t|shouldn'?t)\b", re.I
)
"""A negative question such as "can't I …?" asks the same as "can I …?"."""
_APOSTROPHE = str.maketrans({"’": "'", "‘": "'"})


@dataclass(frozen=True, slots=True)
class QuestionForm:
    """``is_negated``: it asks about what is not so ("Which ones do not need …?")."""

    wanted: Wanted
    is_negated: bool


def question_clause(text: str) -> str:
    """The sentence of a message that asks: the last one with a question mark, else the last that reads as a
    question, else the whole."""
    clauses = [clause for clause in _CLAUSES.split(text.strip()) if clause.strip()]
    asked = [clause for clause in clauses if "?" in clause] or [one for one in clauses if _find_form(one)]
    return asked[-1] if asked else text


def read_form(text: str) -> QuestionForm:
    """Read the form of a message or of a heading."""
    clause = question_clause(text.translate(_APOSTROPHE))
    bare = _SUGGESTING.sub("", clause)
    return QuestionForm(_find_form(clause), bool(_NEGATION.search(bare)))


def _find_form(clause: str) -> Wanted:
    if _POLAR.match(clause) or _TAG.search(clause):
        return "polar"
    for wanted, pattern in _FORM_PATTERNS:
        if pattern.search(clause):
            return wanted
    if _WHAT.search(clause):
        return "choice"
    return "polar" if _POLAR_INSIDE.search(clause) or _LOOSE_POLAR.match(clause) else ""


_DIGIT = r"(?:\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|"
_DIGIT += r"sixty|hundred|thousand|half|twice|once|double|single|both|none|unlimited|any number|as many|every|each)\b)"
_TIME_UNIT = (
    r"(?:second|minute|hour|day|night|week|month|year|season|immediately|instant|at once|overnight|same day|straight away|"
    r"until|as soon|within|spring|summer|autumn|winter)"
)
_DATE = (
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|\bjan|\bfeb|\bmar(?:ch)?\b|\bapr|\bmay\b|\bjun|\bjul|\baug|\bsep|\boct|"
    r"\bnov|\bdec|\bspring|\bsummer|\bautumn|\bfall\b|\bwinter|\bo'clock|\d\s?[ap]\.?m\b|\d[:.]\d\d|\bnoon|\bmidnight|"
    r"\bmorning|\bafternoon|\bevening|\bbefore\b|\bafter\b|\bonce\b|\bwhen\b|\bas soon\b|\buntil\b|\btoday|\btomorrow|"
    r"\bweekend|\bweekdays?\b|\bbank holiday|\banniversary|\bat the (?:end|start|beginning)|\balways|\bany time|\bdaily"
)
_ANSWERS: dict[Wanted, re.Pattern[str]] = {
    "price": re.compile(r"[€$£¥]|\b(?:free|no charge|nothing|no cost|included|eur|usd|gbp|chf|euro|pounds?|dollars?|"
                        r"percent|at cost)\b|%|\d+[.,]\d\d\b", re.IGNORECASE),
    "count": re.compile(_DIGIT, re.IGNORECASE),
    "duration": re.compile(_TIME_UNIT, re.IGNORECASE),
    "frequency": re.compile(r"\b(?:every|each|once|twice|times|daily|weekly|monthly|yearly|annual|annually|per|a (?:day|"
                            r"week|month|year)|never|always|whenever|regularly|rarely|seldom|as often)\b", re.IGNORECASE),
    "measure": re.compile(_DIGIT, re.IGNORECASE),
    "time": re.compile(rf"{_TIME_UNIT}|{_DATE}", re.IGNORECASE),
    "colour": re.compile(r"\b(?:red|green|blue|yellow|white|black|brown|pink|purple|orange|grey|gray|silver|gold|cream|"
                         r"violet|colou?r)\w*\b", re.IGNORECASE),
}  # fmt: skip


def wants_figure(form: QuestionForm) -> bool:
    """True if the question wants a price, number, time, size, frequency or colour."""
    return form.wanted in _ANSWERS


def fits_form(form: QuestionForm, text: str) -> bool:
    """True unless the question wants a price, number, time, size, frequency or colour and the text has none."""
    pattern = _ANSWERS.get(form.wanted)
    return pattern is None or bool(pattern.search(text))
