"""Which language a message is written in, where its script or its smallest words show that. No library: the answer only
picks a tenant's instructions and adapter; the model reads the language itself."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeVar

Kept = TypeVar("Kept")
_SCRIPTS = {
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
    "CJK": "zh",
    "CYRILLIC": "ru",
    "GREEK": "el",
    "ARABIC": "ar",
    "HEBREW": "he",
    "THAI": "th",
    "DEVANAGARI": "hi",
    "ARMENIAN": "hy",
    "GEORGIAN": "ka",
}
_WORDS = {
    "en": "the and is are you do does did can could how what when where why which my your with for not has it this",
    "de": "der die das und ist sind ich sie wir ein eine einen nicht mit für auf wie was wann wo kann",
    "fr": "le la les et est sont je vous nous un une des pas avec pour sur comment quand où puis mon ma mes du au",
    "es": "el los las es son yo usted un una no con para cómo qué cuándo dónde puedo mi mis por del al está",
    "it": "il lo gli sono io lei un una non con per come che quando dove posso mio mia miei del della ho",
    "pt": "os as são eu você um uma não com para como que quando onde posso meu minha meus do da está",
    "nl": "de het en is zijn ik wij een niet met voor op hoe wat wanneer waar kan mijn heb van",
    "pl": "jest są ja nie na do jak co kiedy gdzie czy mogę mój moja moje się to",
    "sv": "och är jag du vi en ett inte med för på hur vad när var kan min mitt mina har det",
    "da": "og er jeg du vi en et ikke med for på hvordan hvad hvornår hvor kan min mit mine har det",
    "cs": "je jsou já ne na do jak co kdy kde můžu můj moje se to",
    "tr": "ve bir bu ne nasıl nerede mi mı için ile değil var yok ben siz benim",
}
_OF = {language: frozenset(words.split()) for language, words in _WORDS.items()}
_ENOUGH = 1_000
"""Characters that are looked at."""
_LATIN = 0x24F
"""The last of the Latin letters, those with marks included."""
_LEAST = 2
"""Small words that have to be there."""


def language_of(text: str) -> str:
    """Two letters, or empty when it does not show: too short, or two languages as likely."""
    script = _script(text)
    if script:
        return script
    words = re.findall(r"[^\W\d_]+", text[:_ENOUGH].casefold())
    counts = Counter({language: sum(word in known for word in words) for language, known in _OF.items()})
    (best, most), (_, second) = counts.most_common(2)
    return best if most >= _LEAST and most > second else ""


def _script(text: str) -> str:
    """By most of the letters that are not Latin, if these are the more. Kana among Chinese characters is Japanese."""
    letters = [char for char in text[:_ENOUGH] if char.isalpha()]
    others = [char for char in letters if ord(char) > _LATIN]
    if len(others) * 2 <= len(letters):
        return ""
    foreign = Counter(_script_of(char) for char in others)
    return "ja" if foreign["ja"] and foreign["zh"] else foreign.most_common(1)[0][0]


def _script_of(char: str) -> str:
    return _SCRIPTS.get(re.split(r"[ -]", unicodedata.name(char, ""))[0], "")


def base_of(locale: str) -> str:
    """Such as "de" of "de-AT"."""
    return re.split(r"[-_]", locale.casefold())[0]


def kept_for(language: str, kept: Mapping[str, Kept], otherwise: Kept) -> Kept:
    """What stands under a locale, else under its language, else under the empty name."""
    for name in _names(language):
        if name in kept:
            return kept[name]
    return otherwise


def _names(language: str) -> Iterable[str]:
    small = language.casefold()
    return (small, base_of(small), "")
