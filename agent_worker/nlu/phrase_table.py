"""The table of one language: what people say in danger, when they want a person, and when they only chat."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PhraseTable:
    """``danger`` to ``negated``: patterns that may stand anywhere in a message, one a line; a line that ends in "/"
    goes on in the next. A pattern is made of elements that follow each other; "a/b" are alternatives, "_" joins the
    words of one, "*" ends a word that may go on, and "..." lets up to four words stand between (in scripts without
    spaces, where each character counts as a word, eight).
    ``negated`` says where the others mean nothing: what overlaps with one of it does not count.

    ``greeting`` to ``laugh``: phrases, separated by "|", that make up a whole message together with those of
    ``filler``."""

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
