"""Which action a message asks for: the one whose examples it is nearest to, by word vectors and by words.

What asks *about* something ("how do refunds work?") is for the documents. So is what comes near to no example.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING

from agent_worker.actions.parsing import Context, fields_of
from agent_worker.knowledge.vectors.encoder import light_encoder
from schemas.ports import Offer

if TYPE_CHECKING:
    from agent_worker.knowledge.vectors.encoder import Encoder, Vectors

ENOUGH = 0.6
"""From this score on an action is meant. What it decides is measured in ``tests/unit/agent_worker/actions``."""
ENOUGH_NAMED = 0.3
"""Beside an order number: whoever writes one wants something done with that order."""
_WORDS = 0.35
"""What a message gains whose words all stand in one action's examples, and in no other's."""
_NAMED = 0.15
"""What it gains by an order number or another name of fixed shape that the action asks for."""
_ABOUT = 0.5
"""What a question about things in general loses …"""
_CHANGES = 0.3
"""… and one about the contact's own things, when the action would change them."""
_STORY = 0.15
"""What a message loses that tells more than what is wanted: then the documents may know better."""
_LONG = 80
"""Characters, from which it does. What is wanted stands in one sentence of it."""
_ASKED = (
    r"how|what|why|which|who|whose|when|until when|up to when|where|do|does|did|is|are|will|should|may|if|"
    r"wie|was|warum|wieso|welche\w*|wer|wann|wo|gibt es|darf|muss|falls|wenn"
)
_MOST = 1_000
"""Characters that are looked at."""
_OPENERS = r"hi|hello|hey|hallo|guten tag|sorry|and|also|so|und|ok(?:ay)?|bis|until|up to"
_QUESTION = re.compile(
    rf"(?:^|[.,;:!?]\s)\W{{0,20}}+(?:(?:{_OPENERS})\b\W{{0,20}}+){{0,8}}+(?:{_ASKED})\b",
    re.IGNORECASE,
)
_RULES = re.compile(
    r"\bhow (?:do|does|can|should)\b|\bwie (?:kann|geht|gehen)\b|\bwhat happens\b|\bwhat (?:do|should|can) i do\b|"
    r"\bwas (?:tun|mache ich|passiert)\b|"
    r"\b(?:policy|policies|rules?|terms|conditions|works?|possible|allowed|means?)\b|"
    r"\b(?:richtlinien?|regeln?|bedingungen|funktionier\w*|möglich|erlaubt|bedeutet)\b",
    re.IGNORECASE,
)
_IF = re.compile(r"\b(?:if|falls|wenn)\b", re.IGNORECASE)
_OWN = re.compile(r"\b(?:my|mine|our|mein\w*|unser\w*)\b(?:\s+(\w+))?", re.IGNORECASE)
_ANY = r"\b(?:an?|any|another|two|three|eine?n?)\s{{1,8}}(?:{})\b|\b(?:{})s\b"
_NOW = Context(date.min)
"""Names are read the same on each day."""
_WORD = re.compile(r"\w+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n")
_IDENTIFIER = re.compile(r"\b[A-Z]{1,4}-?\d+\b")
_STOP = frozenset(
    word
    for line in (
        "a an and any are as at be by can could das dem den der die do does es for from get give ich i in is ist it me",
        "mein meine meinen mich mir my of on or order please the to und want would you your zu bitte möchte like am im",
        "will have has i'd been that this with für auf um our us we bestellung",
    )
    for word in line.split()
)


@dataclass(frozen=True, slots=True)
class Pick:
    """``score`` is about 0 to 1.5; ``named``: the message holds a name that the action asks for, and says more."""

    offer: Offer
    score: float
    named: bool

    @property
    def meant(self) -> bool:
        return self.score >= (ENOUGH_NAMED if self.named else ENOUGH)


def pick(text: str, offers: Sequence[Offer]) -> Pick | None:
    """The action that ``text`` asks for; None when none comes near enough."""
    text = text[:_MOST]
    best = max((_pick(text, offer, offers) for offer in offers), key=lambda each: each.score, default=None)
    return best if best is not None and best.meant else None


def names_anything(text: str, offers: Sequence[Offer]) -> bool:
    """Whether the text holds an order number or another name of fixed shape that an action asks for."""
    return any(_without_names(text[:_MOST], offer)[1] for offer in offers)


def _pick(text: str, offer: Offer, offers: Sequence[Offer]) -> Pick:
    if not offer.examples:
        return Pick(offer, 0.0, False)
    bare, named = _without_names(text, offer)
    score = max((_likeness(part, tuple(offer.examples)) for part in _parts(bare)), default=0.0)
    score += _WORDS * _shared(bare, offer, offers) + (_NAMED if named else 0.0)
    story = _STORY if len(text) > _LONG and not named else 0.0
    return Pick(offer, score - _doubt(text, named, offer) - story, named and bool(_content(bare)))


def _doubt(text: str, named: bool, offer: Offer) -> float:
    if named and not _QUESTION.search(text):
        return 0.0
    if _asks_for_rules(text) or (not named and _in_general(text, offer)):
        return _ABOUT
    if _QUESTION.search(text):
        own = named or _OWN.search(text)
        return _ABOUT if not own else _CHANGES if offer.risk == "write" else 0.0
    return 0.0


def _asks_for_rules(text: str) -> bool:
    """Whether it wants to know how something works, or what happens if."""
    return bool(_RULES.search(text)) or any("?" in line and _IF.search(line) for line in text.split("\n"))


def _in_general(text: str, offer: Offer) -> bool:
    """Whether it speaks of any order, where the examples speak of "my order"."""
    owned = _owned(tuple(offer.examples))
    return owned is not None and owned.search(text) is not None and not _OWN.search(text)


@lru_cache(maxsize=512)
def _owned(examples: tuple[str, ...]) -> re.Pattern[str] | None:
    """What finds any of the things that the examples call the contact's own, as one of many."""
    nouns = {match[1].lower() for example in examples for match in _OWN.finditer(example) if match[1]}
    owned = "|".join(re.escape(noun) for noun in sorted(nouns))
    return re.compile(_ANY.format(owned, owned), re.IGNORECASE) if owned else None


def _parts(text: str) -> list[str]:
    if len(text) <= _LONG:
        return [text]
    return [part for part in _SENTENCE.split(text) if part.strip()][:12]


def _without_names(text: str, offer: Offer) -> tuple[str, bool]:
    """Numbers and addresses say nothing about what is wanted, only that something of the contact's is meant."""
    found = [
        reading
        for one in fields_of(offer.parameters, "en")
        if one.kind == "identifier"
        for reading in one.read(text, _NOW)
        if any(letter.isdigit() for letter in reading.value)
    ]
    bare = text
    for reading in sorted(found, key=lambda reading: -reading.begin):
        bare = f"{bare[: reading.begin]} {bare[reading.end :]}"
    return bare, bool(found)


def _likeness(text: str, examples: tuple[str, ...]) -> float:
    encoder = light_encoder()
    if encoder is None:
        return 0.0
    return float((_vectors(encoder, examples) @ encoder.encode_query([text])[0]).max())


@lru_cache(maxsize=512)
def _vectors(encoder: Encoder, examples: tuple[str, ...]) -> Vectors:
    return encoder.encode([_IDENTIFIER.sub(" ", example) for example in examples])


def _shared(text: str, offer: Offer, offers: Sequence[Offer]) -> float:
    """The share of the message's words that stand in the examples, weighed by how few other actions have them."""
    said = _content(text)
    if not said:
        return 0.0
    held = [_vocabulary(tuple(other.examples)) for other in offers]
    mine = _vocabulary(tuple(offer.examples))
    worth = {word: 1 / max(1, sum(word in words for words in held)) for word in said}
    return sum(weight for word, weight in worth.items() if word in mine) / max(3.0, sum(worth.values()))


@lru_cache(maxsize=512)
def _vocabulary(examples: tuple[str, ...]) -> frozenset[str]:
    return frozenset().union(*(_content(example) for example in examples))


def _content(text: str) -> frozenset[str]:
    """Words that say something, cut to their first letters: crude stems, for any language."""
    words = (word.lower() for word in _WORD.findall(text))
    return frozenset(word[:6] for word in words if word not in _STOP and not word.isdecimal())
