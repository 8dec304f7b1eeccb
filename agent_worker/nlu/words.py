"""A message as bare words: without case, diacritics and punctuation, and one by one in scripts that have no spaces."""

from __future__ import annotations

import re

from agent_worker.nlu.yes_no import bare

END = "."
"""Stands where a sentence ends."""
UNSPACED = (
    "\u1100-\u11ff\u3005-\u3007\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff"
)
"""Letters that are words by themselves: kana, Chinese characters, and Korean syllables."""
_INDIC = "\u0900-\u0963\u0966-\u0dff"
"""Their vowel signs are no letters to a regular expression."""
_TOKEN = re.compile(rf"[.!?\u2026\u3002\u0964\u061f\u06d4]|[{UNSPACED}]|(?:(?![{UNSPACED}])[^\W_]|[{_INDIC}])+")
_ENDS = frozenset(".!?\u2026\u3002\u0964\u061f\u06d4")
_UNSPACED_FIRST = re.compile(f"[{UNSPACED}]")
_RUN = re.compile(r"([^\W\d_])\1{2,}")
_ALIKE = str.maketrans(
    {
        "\u0901": "\u0902",  # Devanagari: chandrabindu as anusvara, and no dot below
        "\u093c": None,
        "\u09bc": None,
        "\u0629": "\u0647",  # Arabic and Urdu: one letter for each kind of h
        "\u06c1": "\u0647",
        "\u06c3": "\u0647",
        "\u200c": None,
        "_": " ",
    }
)


def words_of(text: str) -> list[str]:
    """In the order of the text, with ``END`` after each sentence."""
    plain = text.casefold().replace("'", "") if text.isascii() else bare(text).translate(_ALIKE)
    return [END if word in _ENDS else word for word in _TOKEN.findall(plain)]


def readings(text: str) -> list[list[str]]:
    """The words as written; where a letter is repeated ("pleeease"), with one of it and with two instead."""
    if _RUN.search(text) is None:
        return [words_of(text)]
    return [words_of(_RUN.sub(r"\1", text)), words_of(_RUN.sub(r"\1\1", text))]


def is_unspaced(word: str) -> bool:
    return _UNSPACED_FIRST.match(word) is not None
