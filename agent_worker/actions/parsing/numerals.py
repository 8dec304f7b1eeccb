"""Numbers written as words, in English and German."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from text_to_num import alpha2digit

from agent_worker.actions.parsing.parsed_values import ParseContext, ParsedValue, deduplicate
from agent_worker.nlu.language_detection import base_language

_ENGLISH = """one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen twenty"""
_GERMAN = """eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn
achtzehn neunzehn zwanzig"""
_TENS = {
    word: tens
    for tens, words in enumerate(
        [
            "thirty dreißig dreissig", "forty vierzig", "fifty fünfzig fuenfzig", "sixty sechzig", "seventy siebzig",
            "eighty achtzig", "ninety neunzig",
        ],
        3,
    )
    for word in words.split()
}  # fmt: skip
_MORE = {"zwo": 2, "fuenf": 5, "zwoelf": 12, "fuenfzehn": 15, "dozen": 12, "dutzend": 12}
_ARTICLES = dict.fromkeys(["ein", "eine", "einen", "einem", "einer"], 1)
WORDS: dict[str, int] = {
    **{word: number for number, word in enumerate(_ENGLISH.split(), 1)},
    **{word: number for number, word in enumerate(_GERMAN.split(), 1)},
    **_ARTICLES,
    **_MORE,
    **{word: 10 * tens for word, tens in _TENS.items()},
}


def _any_of(words: Iterable[str]) -> str:
    """A regular expression for the longest matching word. Words share prefixes, so that text without any of them costs
    little."""
    letters: dict[str, list[str]] = {}
    for word in words:
        letters.setdefault(word[:1], []).append(word[1:])
    longer = [f"{letter}{_any_of(rest)}" for letter, rest in letters.items() if letter]
    if not longer:
        return ""
    return f"(?:{'|'.join(longer)})?" if "" in letters else f"(?:{'|'.join(longer)})"


WORD = _any_of(WORDS)
_COUNT = re.compile(
    rf"(?:(?P<minus>(?<![\w.,])[-−–]\s?)|(?<![\w.,:/-]))(?=\w)(?P<n>\d{{1,6}}|{WORD})(?![\w:/%€$£-]|[.,]\d)",
    re.IGNORECASE,
)
_LANGUAGES = frozenset({"ca", "de", "en", "es", "fr", "it", "nl", "pt"})
"""Languages whose number words text2num reads."""
_MAX_WORDS_LENGTH = 200
"""Characters of an answer whose number words are read."""
_LETTERS = re.compile(r"[^\W\d_]+")


def parse_number_words(words: str) -> tuple[int, int] | None:
    """Whole part and hundredths of consecutive number words: "twenty five" is 25, "twelve fifty" is 12 and 50. None for
    a sequence that is not a number."""
    values = [WORDS[word] for word in _LETTERS.findall(words.lower())]
    match values:
        case [one]:
            return one, 0
        case [tens, unit] if tens >= 20 and tens % 10 == 0 and unit < 10:
            return tens + unit, 0
        case [whole, hundredths] if 20 <= hundredths < 100:
            return whole, hundredths
    return None


def write_digits(text: str, context: ParseContext) -> str:
    """The answer to a question for a number with its number words in digits: "fünfundzwanzig" becomes "25"."""
    language = base_language(context.locale)
    if not context.asked or language not in _LANGUAGES or len(text) > _MAX_WORDS_LENGTH:
        return text
    return str(alpha2digit(text, language, threshold=0))


def quantities(text: str, context: ParseContext) -> list[ParsedValue]:
    """Whole numbers. Unless a number was asked for, "one" and "eine" are articles."""
    found = _find_quantities(text, context)
    if len(found) != 1 and (digits := write_digits(text, context)) != text:
        whole = _find_quantities(digits, context)
        if len(whole) == 1:
            return [replace(whole[0], begin=0, end=len(text))]
    return found


def _find_quantities(text: str, context: ParseContext) -> list[ParsedValue]:
    found = []
    for match in _COUNT.finditer(text):
        word = match["n"].lower()
        if (word == "one" or word in _ARTICLES) and not context.asked:
            continue
        number = WORDS[word] if word in WORDS else int(word)
        found.append(
            ParsedValue(number, str(number), *match.span(), problem="negative" if match["minus"] and number else "")
        )
    return deduplicate(found)
