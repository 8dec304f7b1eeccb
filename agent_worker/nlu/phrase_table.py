"""Phrase tables: what people say in danger, when they want a person, and in small talk. ``languages/`` has one TOML
file per language."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

_FOLDER = Path(__file__).parent / "languages"
LANGUAGES = tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


class PhraseTable(BaseModel):
    """``danger`` to ``negated``: patterns that may occur anywhere in a message, one per line; a line that ends in "/"
    continues on the next. A pattern is a sequence of elements: "a/b" are alternatives, "_" joins the words of one, "*"
    matches the rest of a word, and "..." allows up to four words in between (eight in scripts without spaces, where
    each character counts as a word). A match that overlaps one of ``negated`` does not count.

    ``greeting`` to ``laugh``: phrases, separated by "|", that make up a whole message together with those of
    ``filler``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    danger: str
    person: str
    legal: str
    chargeback: str
    deletion: str
    negated: str
    greeting: str
    thanks: str
    goodbye: str
    complaint: str
    abilities: str
    presence: str
    person_short: str
    filler: str
    laugh: str


@cache
def load_phrase_table(language: str) -> PhraseTable:
    return PhraseTable.model_validate(tomllib.loads((_FOLDER / f"{language}.toml").read_text(encoding="utf-8")))
