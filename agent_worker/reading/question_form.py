"""The kind of answer that a question wants: a price, a time, a number or a colour.

It knows English only; any other question fits every text.
"""

from __future__ import annotations

import re
from typing import Literal

Figure = Literal["price", "clock", "frequency", "time", "number", "colour"]
_MAX_QUESTION = 500
_MAX_TEXT = 8_000
"""Characters that are read."""
_COUNTED = r"(?:seconds?|minutes?|hours?|days?|nights?|weeks?|months?|years?)"
_WANTED: tuple[tuple[Figure, re.Pattern[str]], ...] = (
    (
        "price",
        re.compile(
            r"\bwhat (?:do|does|would|will) (?:(?:i|we|you) (?:pay|charge)|[^.?!\n]{1,60} cost)\b|"
            r"\bhow (?:much (?:is|are|does|do|did|would|will|for|to)|expensive)\b|"
            r"\bcosts? (?:anything|something|extra|more)\b|\b(?:is|are) (?:it|this|that|they|those) (?:for )?free\b|"
            r"\bwhat(?:'s| is| are| does| do| would| will)? (?:the |your |a |it )?(?:price|cost|fee|charge)s?\b|"
            r"^\W{0,3}(?:and )?(?:the )?(?:price|cost)s? (?:of|for|per) |\bhow much\W{0,3}$|"
            r"^\W{0,3}(?:[^\W\d_]{1,20} ){1,4}(?:price|cost|fee|charge)s?\W{0,3}$",
            re.IGNORECASE,
        ),
    ),
    ("clock", re.compile(r"\bwhat time\b(?! of (?:the )?year)", re.IGNORECASE)),
    ("frequency", re.compile(r"\bhow (?:often|many times|regularly|frequently)\b", re.IGNORECASE)),
    (
        "time",
        re.compile(
            rf"^\W{{0,3}}(?:and |so |but )?when\b|\b(?:until|since|from|by) when\b|"
            rf"\bwhat (?:day|date|time of (?:the )?year)\b|\bhow (?:long|soon|fast|quickly|many {_COUNTED})\b|"
            r"^\W{0,3}(?:[^\W\d_]{1,20} ){1,2}times?\W{0,3}$",
            re.IGNORECASE,
        ),
    ),
    (
        "number",
        re.compile(
            r"\bhow (?:many|tall|big|deep|far|hot|cold|high|wide|large|heavy|thick)\b|"
            r"\bwhat (?:size|temperature|depth|height|width|length|weight|distance|percentage)\b",
            re.IGNORECASE,
        ),
    ),
    ("colour", re.compile(r"\bwhat colou?r\b|\bwhich colou?rs?\b", re.IGNORECASE)),
)
_NUMBERS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|fifty|hundred|thousand|half|once|twice|"
    "both|none|unlimited|single|double|every|each|any"
)
_DAYS = r"(?:mondays?|tuesdays?|wednesdays?|thursdays?|fridays?|saturdays?|sundays?|weekdays?)"
_TIMES = (
    rf"{_DAYS}|{_COUNTED}|once|twice|every|each|always|never|immediately|overnight|until|before|after|when|"
    "spring|summer|autumn|winter"
)
_CHARGED = re.compile(
    r"\b(?:fees?|interest|charg\w{1,5}|commission|costs?|pric\w{1,4}|rates?|discount|off|deposit|pay|refund|tax|vat)\b",
    re.IGNORECASE,
)
"""A percentage is a price beside one of these words."""
_NUMBER = re.compile(rf"\d|\b(?:{_NUMBERS})\b", re.IGNORECASE)
_MONEY = re.compile(
    r"[€$£¥]\s?\d[\d.,]*+|(?<![\d.,])\d[\d.,]*+\s?(?:[€$£¥%]|(?:euros?|eur|dollars?|usd|pounds?|gbp|francs?|chf|cents?)\b)",
    re.IGNORECASE,
)
_GIVEN: dict[Figure, tuple[re.Pattern[str], ...]] = {
    "price": (
        re.compile(
            r"[€$£¥]|\b(?:free|included|nothing|charge|euros?|eur|dollars?|usd|pounds?|gbp|francs?|chf|cents?)\b",
            re.IGNORECASE,
        ),
    ),
    "clock": (
        re.compile(
            r"\d[:.]\d\d|\d\s?(?:[ap]\.?m\b|o['’]clock|h\b|uhr)|\b(?:noon|midday|midnight|24/7|around the clock|"
            r"(?:at|from|until|till|by|to|before|after|between|and|–|-)\s\d{1,2})\b",
            re.IGNORECASE,
        ),
    ),
    "frequency": (
        re.compile(
            rf"\b(?:once|twice|times?|every|each|per|daily|weekly|monthly|yearly|annually|unlimited|always|never|regularly|"
            rf"as (?:often|many)|(?:a|an|other) {_COUNTED}|on {_DAYS})\b",
            re.IGNORECASE,
        ),
    ),
    "time": (re.compile(rf"\d|\b(?:{_TIMES})\b", re.IGNORECASE),),
    "number": (_NUMBER,),
    "colour": (
        re.compile(
            r"\b(?:red|green|blue|yellow|white|black|brown|pink|purple|orange|gr[ae]y|silver|gold|cream|violet|colou?rs?)",
            re.IGNORECASE,
        ),
    ),
}
"""Any of these patterns is enough."""


def wanted_figure(question: str) -> Figure | None:
    """What the question asks for, None for anything else."""
    text = question[:_MAX_QUESTION]
    return next((figure for figure, pattern in _WANTED if pattern.search(text)), None)


def has_amount(text: str) -> bool:
    """Return whether the text gives an amount of money or a percentage."""
    return _MONEY.search(text[:_MAX_TEXT]) is not None


def has_figure(figure: Figure, text: str) -> bool:
    """Return whether the text gives such a figure. An amount of money is no time."""
    text = text[:_MAX_TEXT]
    if figure == "price" and "%" in text and _CHARGED.search(text):
        return True
    return any(pattern.search(_MONEY.sub(" ", text) if figure == "time" else text) for pattern in _GIVEN[figure])
