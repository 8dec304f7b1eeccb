"""Detection of a message's language. The result selects a tenant's phrases, instructions and adapter; remote models
detect the language themselves."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import TypeVar

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from agent_worker.nlu.classification import LANGUAGES, load_phrase_table

Value = TypeVar("Value")
_LANGUAGES = [
    "am", "ar", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "gu", "he", "hi",
    "hr", "hu", "hy", "id", "is", "it", "ja", "ka", "km", "ko", "lt", "lv", "nl", "no", "pa", "pl", "pt", "ro",
    "ru", "sk", "sl", "sr", "sv", "sw", "ta", "te", "th", "tl", "tr", "uk", "ur", "vi", "zh",
]  # fmt: skip
"""Languages that customers are likely to write. More of them make short messages ambiguous."""
_MIN_CONFIDENCE = 0.6
"""At 0.5 the model is wrong two to three times as often; at 0.7 it leaves a fifth more phrases undecided."""
_WORDS = {
    "en": """
        are book but cancel could delivery did does for from has have hello how is it like mind money my of order please
        refund send some thanks that the this to want what when where which why will with would yes you your
        """,
    "de": """
        abbrechen aber alles auf bestellung bis bitte das dass dem der die doch ein eine einen für geht geld gern guten
        habe hallo heute ich ihr ist ja kann kannst kommt können könnt lieferung mein meine meinen mich mir mit möchte
        morgen nein nicht noch nummer oder paket schon sind stornieren termin und von wann warum welche wie wir wo würde
        zum zurück erlaubt gibt hat kostet offen
        """,
    "nl": "een ik jullie hoe hoeveel kost mijn niet waar wanneer het",
    "fr": "avez combien est les mon où puis quand sont vous",
    "es": "cuánto cuesta dónde está hay mi puedo tienen",
    "it": "avete costa dove il posso quanto sono",
    "pt": "custa meu onde posso quanto são tem vocês",
    "pl": "czy gdzie ile jest kiedy mogę",
}
"""Words that decide when the model does not: "yes", "ja bitte"."""
_PRIOR = 12.0
"""How much likelier the language spoken before is than any other in a short message. It keeps "open in december?" from
being Dutch."""
_MAX_SHORT = 6
"""Words of a short message."""
_MIN_KNOWN = 0.5
_MIN_KNOWN_OF_LIKELIEST = 0.3
"""Share of the words that must be in those lists; a smaller one is enough for the model's likeliest language."""
_IN_SEVERAL = Counter(word for words in _WORDS.values() for word in words.split())
_LANGUAGE_OF = {
    word: language for language, words in _WORDS.items() for word in words.split() if _IN_SEVERAL[word] == 1
}
_MAX_LENGTH = 1_000
"""Characters that are examined."""
_WORD = re.compile(r"(?<!\S)[^\s\d@/]++(?!\S)")
"""A word has no digit, at sign or slash: order numbers and addresses are in no language."""
_LATIN = re.compile(r"[\u0000-\u024f\u1e00-\u1eff\u2000-\u206f]+")
_ALPHABETS = {
    re.compile(r"[\u0400-\u04ff]"): frozenset({"bg", "ru", "sr", "uk"}),
    re.compile(r"[\u0600-\u06ff]"): frozenset({"ar", "fa", "ur"}),
}
"""Alphabets of several languages."""
_SPANISH = re.compile("[¿¡]")
"""Marks with which questions and exclamations begin in no other of these languages."""
_EDGES = re.compile(r"^\W+|\W+$")


def load_language_model() -> None:
    """Load the model into memory, which takes half a second."""
    _model()


@cache
def _model() -> LanguageIdentifier:
    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    model.set_languages(_LANGUAGES)
    # The selected columns lie one after the other. In a copy the rows do, so that what a text needs is in 23 places of
    # memory instead of 1,200, none of which are in the processor's caches any more.
    model.nb_ptc = model.nb_ptc.copy()
    return model


def detect_language(text: str, known: str = "", default: str = "") -> str:
    """Two letters, or ``known``, the conversation's locale: for a text in its language, an ambiguous one, and a single
    word that may be a name. Without it, ``default`` takes its place, and a single word may decide."""
    words = _WORD.findall(text[:_MAX_LENGTH])
    if known and len(words) == 1 and _may_be_name(words[0], known):
        language = _language_by_words(words)
    else:
        language = _classify(" ".join(words), base_language(known or default)) if words else ""
    if not language and not known and len(words) == 1:
        language = _courtesies().get(_EDGES.sub("", words[0].casefold()), "")
    if not language and _SPANISH.search(text[:_MAX_LENGTH]):
        language = "es"
    before = known or default
    return before if not language or language == base_language(before) else language


@cache
def _courtesies() -> Mapping[str, str]:
    """Greetings and thanks of one word that only one of the languages has: "hola", "merhaba"."""
    found: dict[str, set[str]] = {}
    for language in LANGUAGES:
        table = load_phrase_table(language)
        for phrase in re.split(r"[|\n]", f"{table.greeting}|{table.thanks}|{table.goodbye}"):
            found.setdefault(phrase.strip(), set()).add(language)
    return {word: languages.pop() for word, languages in found.items() if len(languages) == 1}


def _may_be_name(word: str, known: str) -> bool:
    """True for Latin letters, in which brands and species are written everywhere, and for the alphabet of ``known``."""
    if _LATIN.fullmatch(word):
        return True
    language = base_language(known)
    return any(language in languages and letters.search(word) for letters, languages in _ALPHABETS.items())


@lru_cache(maxsize=256)
def _classify(text: str, before: str) -> str:
    """A turn needs the language of the same text several times. ``before``: the language spoken before it."""
    words = text.split()
    prior = _PRIOR if len(words) <= _MAX_SHORT else 1.0
    chances = {
        str(language): float(chance) * (prior if language == before else 1.0)
        for language, chance in _model().rank(text)
        if language in _LANGUAGES
    }
    likeliest = max(chances, key=lambda language: chances[language])
    is_sure = chances[likeliest] >= _MIN_CONFIDENCE * sum(chances.values())
    if is_sure and likeliest != before:
        return likeliest
    return _language_by_words(words) or (likeliest if is_sure else _language_by_words(words, likeliest))


def _language_by_words(words: list[str], likeliest: str = "") -> str:
    """The language that enough of the words are in, if all that are known are in the same. ``likeliest``: needs fewer,
    and only this one counts."""
    found = [language for word in words if (language := _LANGUAGE_OF.get(_EDGES.sub("", word.casefold())))]
    is_one = len(set(found)) == 1 and likeliest in ("", found[0])
    least = _MIN_KNOWN_OF_LIKELIEST if likeliest else _MIN_KNOWN
    return found[0] if is_one and len(found) >= least * len(words) else ""


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
