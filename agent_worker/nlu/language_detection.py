"""Detection of a message's language by its script and its most common words, without a library. The result selects a
tenant's phrases, instructions and adapter; remote models detect the language themselves."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import TypeVar

Value = TypeVar("Value")
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
# English and German, the languages of the agent's own phrases, have every word of very short messages; shared words
# are in both. The other languages have the words of nearly every sentence.
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
_MAX_LENGTH = 1_000
"""Characters that are examined."""
_LAST_LATIN = "\u024f"
"""The last of the Latin letters, those with diacritics included."""
_MIN_WORDS = {"en": 1, "de": 1}
"""Words that have to be found; two in all other languages, because a family name may look like one."""
_WORD = re.compile(r"[^\W\d_]++(?!-?\d)")
"""A letter before a number is part of an order number such as A-17, not an English article."""


def _languages_by_word() -> dict[str, tuple[str, ...]]:
    of: defaultdict[str, list[str]] = defaultdict(list)
    for language, words in _WORDS.items():
        for word in words.split():
            of[word].append(language)
    return {word: tuple(languages) for word, languages in of.items()}


_LANGUAGES_OF = _languages_by_word()


def detect_language(text: str, known: str = "") -> str:
    """Two letters; ``known``, a locale, when the text is in its language, or when it is too short or ambiguous."""
    text = text[:_MAX_LENGTH]
    # Fast path: most texts have only Latin letters.
    language = (_language_by_script(text) if max(text, default="") > _LAST_LATIN else "") or _language_by_words(text)
    return known if not language or language == base_language(known) else language


def _language_by_words(text: str) -> str:
    counts: dict[str, int] = {}
    for word in _WORD.findall(text.casefold()):
        for language in _LANGUAGES_OF.get(word, ()):
            counts[language] = counts.get(language, 0) + 1
    maximum = max(counts.values(), default=0)
    best = [language for language, count in counts.items() if count == maximum]
    return best[0] if len(best) == 1 and maximum >= _MIN_WORDS.get(best[0], 2) else ""


def _language_by_script(text: str) -> str:
    """The language of most non-Latin letters, if they are the majority. Kana among Chinese characters means
    Japanese."""
    letters = [char for char in text if char.isalpha()]
    non_latin = [char for char in letters if char > _LAST_LATIN]
    if len(non_latin) * 2 <= len(letters):
        return ""
    languages = Counter(_language_of_character(char) for char in non_latin)
    return "ja" if languages["ja"] and languages["zh"] else languages.most_common(1)[0][0]


def _language_of_character(char: str) -> str:
    return _SCRIPTS.get(unicodedata.name(char, "").replace("-", " ").partition(" ")[0], "")


def base_language(locale: str) -> str:
    """ "de" for "de-AT"."""
    return locale.casefold().replace("_", "-").partition("-")[0]


def select_by_language(language: str, entries: Mapping[str, Value], otherwise: Value) -> Value:
    """The entry for the locale, else for its language, else for the empty name."""
    for name in _lookup_names(language):
        if name in entries:
            return entries[name]
    return otherwise


def _lookup_names(language: str) -> Iterable[str]:
    small = language.casefold()
    return (small, base_language(small), "")
