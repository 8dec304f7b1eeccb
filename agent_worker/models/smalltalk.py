"""Messages that ask nothing of the documents: greetings, thanks, goodbyes, and the wish for a person."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from schemas.messages import TranscriptMessage

Talk = Literal["greeting", "thanks", "goodbye", "person", ""]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_GREETING = _words(
    """
    afternoon evening greetings hallo hello hey hi hiya howdy moin morning yo
    """
)
_THANKS = _words(
    """
    awesome brilliant cheers cool great lovely nice perfect super thank thanks thx ty wonderful
    """
)
_GOODBYE = _words(
    """
    bye ciao cu farewell goodbye
    """
)
_FILLER = _words(
    """
    a again all and are been bot day doing everyone folks for good have help helped how i im is it later lot me much
    nice night of ok okay one see so team that thats the there this to today very was well you your
    """
)
_KINDS: tuple[tuple[Talk, frozenset[str]], ...] = (("goodbye", _GOODBYE), ("thanks", _THANKS), ("greeting", _GREETING))
_COURTEOUS = _GREETING | _THANKS | _GOODBYE | _FILLER
_WORD = re.compile("[a-z]+")
_MOST = 10
"""Words of a message that may be nothing but small talk."""
_NO_PERSON = re.compile(r"\b(?:do not|don['’]?t|no need|not) (?:\w+ ){0,2}(?:to )?(?:talk|speak|chat)\b", re.IGNORECASE)
_WHO = (
    r"(?:human|human being|person|people|agent|someone|somebody|representative|rep|colleague|employee|"
    r"operator|staff(?: member)?|member of staff|advisor|adviser|support team|manager|"
    r"customer (?:service|support|care))"
)
_PERSON = re.compile(
    rf"\b(?:talk|speak|chat|connect(?: me)?|transfer(?: me)?|put me through|hand me (?:over|off)|pass me(?: on)?)"
    rf"\s{{1,8}}(?:to|with)\s{{1,8}}(?:(?:a|an|one|your|the|some|any)\s{{1,8}})?(?:of your\s{{1,8}})?"
    rf"(?:(?:real|live|actual|human|other)\s{{1,8}}){{0,4}}{_WHO}\b"
    rf"|\b(?:real|live|actual)\s+(?:human|person|agent)\b"
    rf"|\b(?:want|need|get me|give me)\s+(?:a|an)\s+(?:human|person|agent|representative|operator)\b"
    rf"|^\W*(?:a\s+)?(?:human|agent|representative|operator|person)(?:[\s,]*please)?\W*$",
    re.IGNORECASE,
)
_ANYBODY = _words(
    """
    human person people agent someone somebody rep colleague employee operator staff member advisor adviser support
    manager customer
    """
)
"""How each of those that ``_PERSON`` finds begins."""
_YES = re.compile(
    r"^\W*(?:yes|yeah|yep|yes please|please do|sure|ok|okay|go ahead|do that)\b[\w\s,!.]{0,20}$", re.IGNORECASE
)


_HEART = "\u2661\u2665\u2763\u2764\U0001f90d-\U0001f90f\U0001f493-\U0001f49f\U0001f970\U0001f9e1"
_HEARTS = re.compile(rf"(?:[{_HEART}]\ufe0f?\s?)+")


def talk_of(text: str, history: Sequence[TranscriptMessage]) -> Talk:
    """What kind of small talk the whole message is; empty when it asks something."""
    if asks_person(text) or (_YES.match(text) and _offered(history)):
        return "person"
    if _HEARTS.fullmatch(text.strip()[:40]):
        return "thanks"
    said: set[str] = set()
    for count, found in enumerate(_WORD.finditer(text.lower().replace("'", "").replace("’", "")), 1):
        if count > _MOST or (word := found[0]) not in _COURTEOUS:
            return ""  # mostly the first word tells
        said.add(word)
    return next((kind for kind, vocabulary in _KINDS if vocabulary & said), "")


def asks_person(text: str) -> bool:
    # The pattern tries each place of the text. Nearly all messages speak of nobody, and that is seen much sooner.
    small = text.casefold()
    if not any(who in small for who in _ANYBODY):
        return False
    return bool(_PERSON.search(text)) and not _NO_PERSON.search(text)


def _offered(history: Sequence[TranscriptMessage]) -> bool:
    """Whether the last thing said to the contact was the offer of a person."""
    last = next((line for line in reversed(history) if line.author.kind != "contact"), None)
    return last is not None and any(choice.id == "person" for choice in last.choices)
