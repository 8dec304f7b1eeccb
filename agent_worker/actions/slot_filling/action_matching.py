"""Choice of the action that a message requests: the one whose examples are nearest, by word vectors and by words.

Questions *about* something ("how do refunds work?") go to the documents, and so do messages that are near to no
example.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING

from agent_worker.actions.parsing import ParseContext, fields_of
from agent_worker.actions.slot_filling.references import refers_back
from agent_worker.knowledge.vectors.encoder import light_encoder
from agent_worker.nlu.language_detection import detect_language
from agent_worker.nlu.yes_no import load_answer_phrases
from schemas.ports import ActionOffer

if TYPE_CHECKING:
    from agent_worker.knowledge.vectors.encoder import Vectors

MIN_SCORE = 0.6
"""Score from which an action counts as requested. Its effect is measured in ``tests/unit/agent_worker/actions``."""
MIN_SCORE_NAMED = 0.3
"""The same for a message with an order number, which usually asks for something about that order."""
MIN_SCORE_REFERRING = 0.5
"""The same for a message whose pronoun may stand for what was named before: "where is it?"."""
_WORDS_BONUS = 0.35
"""Bonus when all words of a message occur in one action's examples and in no other's."""
_NAME_BONUS = 0.15
"""Bonus for an order number or other identifier that the action asks for."""
_GENERAL_PENALTY = 0.5
"""Penalty for a question about things in general."""
_CHANGE_PENALTY = 0.3
"""Penalty for a question about the contact's own things when the action would change them."""
_ABILITY_PENALTY = 0.15
"""Penalty for "can you deliver on Saturdays?": it may ask what is possible, and says more than the examples do."""
_STORY_PENALTY = 0.15
"""Penalty for a long message: the documents may fit it better."""
_LONG_TEXT = 80
"""Characters from which a message is long. The request is then looked for sentence by sentence."""
_QUESTION_WORDS = (
    r"how|what|why|which|who|whose|when|until when|up to when|where|do|does|did|is|are|will|should|may|if|"
    r"wie|was|warum|wieso|welche\w*|wer|wann|wo|gibt es|darf|muss|falls|wenn"
)
_MAX_TEXT = 1_000
"""Characters that are read."""
_OPENERS = r"hi|hello|hey|hallo|guten tag|sorry|and|also|so|und|ok(?:ay)?|bis|until|up to"
_QUESTION = re.compile(
    rf"(?:^|[.,;:!?]\s)\W{{0,20}}+(?:(?:{_OPENERS})\b\W{{0,20}}+){{0,8}}+(?:{_QUESTION_WORDS})\b",
    re.IGNORECASE,
)
_RULES = re.compile(
    r"\bhow (?:do|does|can|should)\b|\bwie (?:kann|geht|gehen)\b|\bwhat happens\b|\bwhat (?:do|should|can) i do\b|"
    r"\bwas (?:tun|mache ich|passiert)\b|"
    r"\b(?:policy|policies|rules?|terms|conditions|works?|possible|allowed|means?)\b|"
    r"\b(?:richtlinien?|regeln?|bedingungen|funktionier\w*|möglich|erlaubt|bedeutet)\b",
    re.IGNORECASE,
)
_ABILITY = re.compile(
    r"^\W*(?:(?:and|also|und|oder|hi|hallo)\W+)?(?:can|could|kann|kannst|können|könnte\w*|könnt)\b", re.IGNORECASE
)
_FIGURE = re.compile(
    r"\bhow (?:long|much|many|soon|fast|quickly|often)\b|\bwie (?:lange?|viele?|schnell|oft)\b|\bwieviel\b|\bcombien\b|"
    r"\bcu[aá]nt[oa]s?\b|\bquant[oaie]\b|\bhoe (?:lang|veel|snel)\b",
    re.IGNORECASE,
)
"""Asks for a figure, wherever it stands: "refund how long"."""
_POLITE = re.compile(r"\b(?:please|pls|bitte|(?:can|could|would|will) you|k[aö]nn\w* (?:du|sie|ihr))\b", re.IGNORECASE)
_IF = re.compile(r"\b(?:if|falls|wenn)\b", re.IGNORECASE)
_OWN = re.compile(r"\b(?:my|mine|our|mein\w*|unser\w*)\b(?:\s+(\w+))?", re.IGNORECASE)
_ANY_OF_THEM = r"\b(?:an?|any|another|two|three|eine?n?)\s{{1,8}}(?:{})\b|\b(?:{})s\b"
_DATELESS = ParseContext(date.min)
"""Identifiers are read the same on every day."""
_WORD = re.compile(r"\w+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n")
_DIGIT = re.compile(r"\d")
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
class ActionMatch:
    """``score`` is about 0 to 1.5; ``named``: the message contains an identifier that the action asks for, and more;
    ``refers``: a pronoun in it may stand for one."""

    offer: ActionOffer
    score: float
    named: bool
    refers: bool = False

    @property
    def is_sufficient(self) -> bool:
        return self.score >= (MIN_SCORE_NAMED if self.named else MIN_SCORE_REFERRING if self.refers else MIN_SCORE)


def match_action(text: str, offers: Sequence[ActionOffer]) -> ActionMatch | None:
    """The action that ``text`` requests; None when none is near enough."""
    text = text[:_MAX_TEXT]
    examples = _read_examples(tuple((offer.title, *offer.examples) for offer in offers))
    scored = (
        _score(text, offer, place, examples)
        for place, offer in enumerate(offers)
        if not _wants_another_verb(text, place, examples)
    )
    best = max(scored, key=lambda match: match.score, default=None)
    return best if best is not None and best.is_sufficient else None


@dataclass(frozen=True, slots=True, eq=False)
class _ExampleIndex:
    """The examples of all actions on offer, each in one row of ``vectors``; ``begins``: the first row of each action.
    ``vocabularies``: the words of each action's examples; ``frequency``: how many actions have a word; ``verbs``: those
    of the actions' titles, where no other action's examples have them."""

    vectors: Vectors | None
    begins: Sequence[int]
    vocabularies: Sequence[frozenset[str]]
    frequency: Mapping[str, int]
    verbs: Sequence[frozenset[str]]


@lru_cache(maxsize=256)
def _read_examples(actions: tuple[tuple[str, ...], ...]) -> _ExampleIndex:
    """``actions``: for each its title, and its examples."""
    encoder = light_encoder()
    titles, examples = [each[0] for each in actions], [each[1:] for each in actions]
    rows = [_IDENTIFIER.sub(" ", example) for each in examples for example in each]
    vocabularies = [_vocabulary(each) for each in examples]
    frequency = Counter(word for vocabulary in vocabularies for word in vocabulary)
    return _ExampleIndex(
        vectors=encoder.encode(rows) if encoder is not None and rows else None,
        begins=[0, *accumulate(len(each) for each in examples)][:-1],
        vocabularies=vocabularies,
        frequency=frequency,
        verbs=[frozenset(word for word in words if frequency[word] == 1) for words in _verbs(titles)],
    )


def _verbs(titles: Sequence[str]) -> list[frozenset[str]]:
    """Of each title the word that its language has the verb at: "Cancel an order", "Bestellung stornieren"."""
    table = load_answer_phrases().get(detect_language("\n".join(titles)))
    place = -1 if table is not None and table.verb == "last" else 0
    return [_content_words(words[place]) if len(words := title.split()) > 1 else frozenset() for title in titles]


def _wants_another_verb(text: str, place: int, examples: _ExampleIndex) -> bool:
    """True if the message has the verb of another action, and not this one's: "cancel my appointment" does not ask to
    book one."""
    words = _content_words(text) - examples.vocabularies[place]
    return any(verb & words for verb in examples.verbs) and not examples.verbs[place] & _content_words(text)


def names_anything(text: str, offers: Sequence[ActionOffer]) -> bool:
    """Return whether the text contains an order number or another identifier that an action asks for."""
    return any(_without_names(text[:_MAX_TEXT], offer)[1] for offer in offers)


def _score(text: str, offer: ActionOffer, place: int, examples: _ExampleIndex) -> ActionMatch:
    if not offer.examples:
        return ActionMatch(offer, 0.0, False)
    remaining, named = _without_names(text, offer)
    score = max((_similarity(part, examples, place, len(offer.examples)) for part in _parts(remaining)), default=0.0)
    score += _WORDS_BONUS * _shared_words(remaining, place, examples) + (_NAME_BONUS if named else 0.0)
    story = _STORY_PENALTY if len(text) > _LONG_TEXT and not named else 0.0
    return ActionMatch(
        offer,
        score - _penalty(text, named, offer) - story,
        named and bool(_content_words(remaining)),
        refers_back(offer, text),
    )


def _penalty(text: str, named: bool, offer: ActionOffer) -> float:
    if named and not _is_question(text):
        return 0.0
    if asks_for_rules(text) or (not named and _is_general(text, offer)):
        return _GENERAL_PENALTY
    if not named and offer.risk == "write" and _FIGURE.search(text):
        return _GENERAL_PENALTY
    if _is_question(text) or _asks_in_general(text, offer):
        own = named or _OWN.search(text) or refers_back(offer, text)
        return _GENERAL_PENALTY if not own else _CHANGE_PENALTY if offer.risk == "write" else 0.0
    return _ABILITY_PENALTY if _asks_what_is_possible(text, offer) else 0.0


def _asks_in_general(text: str, offer: ActionOffer) -> bool:
    """Return whether it ends as a question that requests nothing, in words that the examples lack: "delivery time?"."""
    return text.rstrip().endswith("?") and not (
        _ABILITY.match(text) or _POLITE.search(text) or _content_words(text) <= _vocabulary(tuple(offer.examples))
    )


def _asks_what_is_possible(text: str, offer: ActionOffer) -> bool:
    """Return whether it asks if something can be done, in words that are neither the examples' nor about own things."""
    if not _ABILITY.match(text) or _OWN.search(text) or refers_back(offer, text):
        return False
    return bool(_content_words(_ABILITY.sub(" ", text)) - _vocabulary(tuple(offer.examples)))


@lru_cache(maxsize=64)
def _is_question(text: str) -> bool:
    return _QUESTION.search(text) is not None


@lru_cache(maxsize=64)
def asks_for_rules(text: str) -> bool:
    """Return whether it asks how something works, or what happens if."""
    return bool(_RULES.search(text)) or any("?" in line and _IF.search(line) for line in text.split("\n"))


def _is_general(text: str, offer: ActionOffer) -> bool:
    """Return whether it speaks of any order while the examples speak of "my order"."""
    pattern = _possessions_pattern(tuple(offer.examples))
    return pattern is not None and pattern.search(text) is not None and not _OWN.search(text)


@lru_cache(maxsize=512)
def _possessions_pattern(examples: tuple[str, ...]) -> re.Pattern[str] | None:
    """Finds the things that the examples call the contact's own, as one of many."""
    nouns = {match[1].lower() for example in examples for match in _OWN.finditer(example) if match[1]}
    owned = "|".join(re.escape(noun) for noun in sorted(nouns))
    return re.compile(_ANY_OF_THEM.format(owned, owned), re.IGNORECASE) if owned else None


def _parts(text: str) -> list[str]:
    if len(text) <= _LONG_TEXT:
        return [text]
    return [part for part in _SENTENCE.split(text) if part.strip()][:12]


def _without_names(text: str, offer: ActionOffer) -> tuple[str, bool]:
    """The text without identifiers, and whether there were any. Identifiers say nothing about the request, only that it
    concerns something of the contact's."""
    if not _DIGIT.search(text):
        return text, False
    readings = [
        reading
        for field in fields_of(offer.parameters, "en")
        if field.kind == "identifier"
        for reading in field.read(text, _DATELESS)
        if any(letter.isdigit() for letter in reading.value)
    ]
    remaining = text
    for reading in sorted(readings, key=lambda reading: -reading.begin):
        remaining = f"{remaining[: reading.begin]} {remaining[reading.end :]}"
    return remaining, bool(readings)


def _similarity(text: str, examples: _ExampleIndex, place: int, count: int) -> float:
    similarities = _similarities(text, examples)
    if similarities is None:
        return 0.0
    begin = examples.begins[place]
    return float(similarities[begin : begin + count].max())


@lru_cache(maxsize=64)
def _similarities(text: str, examples: _ExampleIndex) -> Vectors | None:
    """Of one text to each example. A turn needs those of the same texts several times."""
    encoder = light_encoder()
    if encoder is None or examples.vectors is None:
        return None
    similarities: Vectors = examples.vectors @ encoder.encode_query([text])[0]
    return similarities


def _shared_words(text: str, place: int, examples: _ExampleIndex) -> float:
    """The share of the message's words that occur in the examples, weighted by how few other actions have them."""
    words = _content_words(text)
    if not words:
        return 0.0
    own = examples.vocabularies[place]
    weights = {word: 1 / max(1, examples.frequency.get(word, 0)) for word in words}
    return sum(weight for word, weight in weights.items() if word in own) / max(3.0, sum(weights.values()))


@lru_cache(maxsize=512)
def _vocabulary(examples: tuple[str, ...]) -> frozenset[str]:
    return frozenset().union(*(_content_words(example) for example in examples))


@lru_cache(maxsize=64)
def _content_words(text: str) -> frozenset[str]:
    """Words with meaning, cut to their first letters: crude stems for any language."""
    words = (word.lower() for word in _WORD.findall(text))
    return frozenset(word[:6] for word in words if word not in _STOP and not word.isdecimal())
