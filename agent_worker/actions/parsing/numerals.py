"""Numbers written as words, English and German."""

from __future__ import annotations

import re

from agent_worker.actions.parsing.readings import Context, Reading, distinct

_ENGLISH = """one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen twenty"""
_GERMAN = """eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn
achtzehn neunzehn zwanzig"""
_MORE = {"zwo": 2, "fuenf": 5, "zwoelf": 12, "fuenfzehn": 15, "dozen": 12, "dutzend": 12}
_ARTICLES = dict.fromkeys(["ein", "eine", "einen", "einem", "einer"], 1)
WORDS: dict[str, int] = {
    **{word: number for number, word in enumerate(_ENGLISH.split(), 1)},
    **{word: number for number, word in enumerate(_GERMAN.split(), 1)},
    **_ARTICLES,
    **_MORE,
}
WORD = "|".join(sorted(WORDS, key=len, reverse=True))
_COUNT = re.compile(
    rf"(?:(?P<minus>(?<![\w.,])[-−–]\s?)|(?<![\w.,:/-]))(?P<n>\d{{1,6}}|{WORD})(?![\w:/%€$£-]|[.,]\d)", re.IGNORECASE
)


def quantities(text: str, context: Context) -> list[Reading]:
    """Whole numbers. Where nothing was asked, "one" and "eine" are mere articles."""
    found = []
    for match in _COUNT.finditer(text):
        word = match["n"].lower()
        if (word == "one" or word in _ARTICLES) and not context.asked:
            continue
        number = WORDS[word] if word in WORDS else int(word)
        found.append(
            Reading(number, str(number), *match.span(), problem="negative" if match["minus"] and number else "")
        )
    return distinct(found)
