"""The names of languages, from the Unicode CLDR."""

from __future__ import annotations

from babel import Locale, UnknownLocaleError

from agent_worker.nlu.language_detection import base_language


def name_language(language: str, locale: str) -> str:
    """The language's name for readers of ``locale``: "German" for "en", "alemán" for "es-MX". It is English if the
    locale is unknown, and the code itself if the language is."""
    try:
        reader = Locale.parse(base_language(locale))
    except (UnknownLocaleError, ValueError):
        reader = Locale.parse("en")
    return str(reader.languages.get(base_language(language), language))
