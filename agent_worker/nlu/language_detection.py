"""Which language a message is written in, where its script or its small words show that. No library: the answer picks
the phrases, instructions and adapter of a tenant; a remote model reads the language itself."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
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
    "BENGALI": "bn",
    "ARMENIAN": "hy",
    "GEORGIAN": "ka",
}
# English and German, which the agent's own phrases are in, by whatever people say in a word or two; what both have
# stands in both. Of the others the words that stand in nearly every sentence.
_WORDS = {
    "en": """
        a all am and are book but can cancel could delivery did do does for from has have hello hi how i is it like me
        mind money move my no not of on order please refund send some thanks that the this to want was what when where
        which why will with would yes you your
        """,
    "de": """
        abbrechen aber alles am auf bestellung bis bitte das dass dem der die doch ein eine einen für geht geld gern
        guten habe hallo heute ich ihr im ist ja kann kannst kommt können könnt lieferung mein meine meinen mich mir mit
        möchte morgen nein nicht noch nummer oder paket schon sie sind stornieren termin und von wann warum was welche
        wie will wir wo würde zu zum zurück
        """,
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
_ENOUGH = 1_000
"""Characters that are looked at."""
_LATIN = "\u024f"
"""The last of the Latin letters, those with marks included."""
_LEAST = {"en": 1, "de": 1}
"""Words that have to be there; two where it is not said: a family name may look like one."""
_WORD = re.compile(r"[^\W\d_]++(?!-?\d)")
"""But what a number goes on with: an order A-17 is no English article."""


def _by_word() -> dict[str, tuple[str, ...]]:
    of: defaultdict[str, list[str]] = defaultdict(list)
    for language, words in _WORDS.items():
        for word in words.split():
            of[word].append(language)
    return {word: tuple(languages) for word, languages in of.items()}


_OF = _by_word()


def language_of(text: str, known: str = "") -> str:
    """Two letters; ``known``, a locale, when the text is in its language, or does not show one: too short, or two as
    likely."""
    text = text[:_ENOUGH]
    # Mostly there is no other letter, and that is seen at once.
    found = (_script(text) if max(text, default="") > _LATIN else "") or _told_by_words(text)
    return known if not found or found == base_of(known) else found


def _told_by_words(text: str) -> str:
    counts: dict[str, int] = {}
    for word in _WORD.findall(text.casefold()):
        for language in _OF.get(word, ()):
            counts[language] = counts.get(language, 0) + 1
    most = max(counts.values(), default=0)
    best = [language for language, count in counts.items() if count == most]
    return best[0] if len(best) == 1 and most >= _LEAST.get(best[0], 2) else ""


def _script(text: str) -> str:
    """By most of the letters that are not Latin, if these are the more. Kana among Chinese characters is Japanese."""
    letters = [char for char in text if char.isalpha()]
    others = [char for char in letters if char > _LATIN]
    if len(others) * 2 <= len(letters):
        return ""
    foreign = Counter(_script_of(char) for char in others)
    return "ja" if foreign["ja"] and foreign["zh"] else foreign.most_common(1)[0][0]


def _script_of(char: str) -> str:
    return _SCRIPTS.get(unicodedata.name(char, "").replace("-", " ").partition(" ")[0], "")


def base_of(locale: str) -> str:
    """Such as "de" of "de-AT"."""
    return locale.casefold().replace("_", "-").partition("-")[0]


def kept_for(language: str, kept: Mapping[str, Kept], otherwise: Kept) -> Kept:
    """What stands under a locale, else under its language, else under the empty name."""
    for name in _names(language):
        if name in kept:
            return kept[name]
    return otherwise


def _names(language: str) -> Iterable[str]:
    small = language.casefold()
    return (small, base_of(small), "")
