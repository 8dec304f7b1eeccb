"""Tokenization of messages: words without case, diacritics and punctuation; single characters in scripts without
spaces."""

from __future__ import annotations

import re

from agent_worker.nlu.yes_no import normalize

END = "."
"""Marks the end of a sentence."""
UNSPACED = (
    "\u1100-\u11ff\u3005-\u3007\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff"
)
"""Letters that are words by themselves: kana, Chinese characters, and Korean syllables."""
_INDIC = "\u0900-\u0963\u0966-\u0dff"
r"""Includes vowel signs, which ``\w`` does not match."""
_TOKEN = re.compile(rf"[.!?\u2026\u3002\u0964\u061f\u06d4]|[{UNSPACED}]|(?:(?![{UNSPACED}])[^\W_]|[{_INDIC}])+")
_SENTENCE_ENDS = frozenset(".!?\u2026\u3002\u0964\u061f\u06d4")
_UNSPACED_FIRST = re.compile(f"[{UNSPACED}]")
_REPEATED_LETTER = re.compile(r"([^\W\d_])\1{2,}")
_EQUIVALENTS = str.maketrans(
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


def tokenize(text: str) -> list[str]:
    """The words in order, with ``END`` after each sentence."""
    plain = text.casefold().replace("'", "") if text.isascii() else normalize(text).translate(_EQUIVALENTS)
    return [END if word in _SENTENCE_ENDS else word for word in _TOKEN.findall(plain)]


def spelling_variants(text: str) -> list[list[str]]:
    """The words as written; if a letter is repeated ("pleeease"), with one of it and with two."""
    if _REPEATED_LETTER.search(text) is None:
        return [tokenize(text)]
    return [tokenize(_REPEATED_LETTER.sub(r"\1", text)), tokenize(_REPEATED_LETTER.sub(r"\1\1", text))]


def is_unspaced(word: str) -> bool:
    return _UNSPACED_FIRST.match(word) is not None
