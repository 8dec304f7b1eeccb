"""Sentences that claim nothing, recognised by closed lists: whoever says anything else must cite."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W_]+")
_PHRASES = re.compile(
    r"\b(?:feel free|(?:how )?can (?:i|we) help(?: you)?|let (?:me|us) know|you(?: are|['’]re) (?:very )?welcome"
    r"|here is what (?:i|we) found|(?:(?:i am|i['’]m|we are|we['’]re) )?(?:happy|glad|sorry) to "
    r"(?:help|hear(?: that| this)?)|(?:i|we) hope (?:this|that) helps|anything else"
    r"|vielen dank|danke|gern geschehen|gerne?)\b",
    re.IGNORECASE,
)
_WORDS = frozenset(
    word
    for line in (
        "a about afternoon again and any asking ask contacting day dear evening for good great guten hallo have hello",
        "help hey hi if in me message more morgen morning need of or other our out please question questions reach",
        "sorry tag thank thanks the this to today us with writing you your",
    )
    for word in line.split()
)
_MOST = 14


def is_courtesy(sentence: str) -> bool:
    """ "Thank you for your question!" is one; "Yes." and "It is free." are claims. Whatever holds a digit is none."""
    words = _WORD.findall(_PHRASES.sub(" ", sentence).casefold())
    return len(words) <= _MOST and all(word in _WORDS for word in words)
