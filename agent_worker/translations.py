"""The agent's texts in each language: one TOML file per language in ``phrases/``, read when it is first needed."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

_FOLDER = Path(__file__).parent / "phrases"
LANGUAGES = tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))
"""Languages that have translations."""


class _Texts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TimePhrases(_Texts):
    """When the desk opens, and how long a contact waits. ``one_minute`` to ``days`` replace the forms of the Unicode
    CLDR where ``Voice.expected_wait`` needs another: an article, or a case."""

    today: str
    tomorrow: str
    later: str
    one_minute: str = ""
    one_hour: str = ""
    one_day: str = ""
    days: str = ""


class Translation(_Texts):
    """``voice``: the set phrases, by field of ``Voice``, whose defaults are the English ones. ``kinds``: the kinds of
    messages that cannot be read, in the form that ``Voice.unsupported_kind`` needs. ``dialogue``: the phrases of
    dialogues about actions; ``codes``: those about one-time codes."""

    voice: Mapping[str, str | tuple[str, str, str, str, str]] = {}
    kinds: Mapping[str, str]
    times: TimePhrases
    dialogue: Mapping[str, str]
    codes: Mapping[str, str]


def find_translation(locale: str) -> Translation | None:
    """The texts in the locale's language; None if there are none."""
    language = _base_language(locale)
    return _load(language) if language in LANGUAGES else None


def choose_language(locale: str) -> str:
    """The language in which a contact with this locale is spoken to: theirs, or English where there are no texts."""
    language = _base_language(locale)
    return language if language in LANGUAGES else "en"


def translate(locale: str) -> Translation:
    """The texts in the locale's language; in English if there are none."""
    return _load(choose_language(locale))


def _base_language(locale: str) -> str:
    return locale.casefold().replace("_", "-").partition("-")[0]


@cache
def _load(language: str) -> Translation:
    return Translation.model_validate(tomllib.loads((_FOLDER / f"{language}.toml").read_text(encoding="utf-8")))


def load_translations() -> list[Translation]:
    """The texts of all languages. To read them takes 30 ms, once."""
    return [_load(language) for language in LANGUAGES]
