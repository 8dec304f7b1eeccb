"""The gate: a sentence passes with its proof, or not at all (design §7, §8).

A sentence must cite passages that were found; its figures with their units, its names and its addresses must stand in
them; most of its words must; and it must not deny what they affirm, or the other way round. What is not a claim
(courtesies made of a closed vocabulary) needs no proof. Everything is decided by comparing texts, so nothing that a
document or a contact wrote can argue with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent_worker.grounding.failures import Ungrounded
from agent_worker.grounding.names import strange
from agent_worker.grounding.numbers import Figure, figures, missing, plain
from agent_worker.grounding.sentence_stream import MARK
from agent_worker.knowledge.text.analysis import synonyms, terms
from agent_worker.knowledge.text.sentences import Unit, units_of
from schemas.messages import Citation
from schemas.ports import Passage

LONGEST = 600
"""Characters. Longer ones are lists without line breaks, or floods."""
ENOUGH = 0.6
"""The share of a sentence's terms that must stand in what it cites."""
NEARLY_ALL = 0.8
"""The share of a quote's terms from which a sentence counts as its repetition."""
_FEWEST = 3
"""Words of a sentence that can be a quote although none of them says much."""
_MARKUP = re.compile(r"!\[|\]\(|[\u202a-\u202e\u2066-\u2069]")
_TAG = re.compile(r"<[a-zA-Z/!]")
_NO_WORD = re.compile(r"[^\w'’]+")
_ITEM_NUMBER = re.compile(r"^\s*\d{1,2}[.)]\s+")
_DENIAL = re.compile(
    r"\b(?:not|no|never|none|nothing|nobody|neither|nor|cannot|without|unable|nicht|nichts|kein\w*|nie|ohne)\b|n['’]t\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Proof:
    """One quote that bears a sentence, and how much of the sentence stands in it."""

    passage: Passage
    unit: Unit
    shared: float


class Gate:
    """One answer's gate over the passages as the model saw them, numbered from 1. Collects the citations. ``askable``:
    what actions need to know and the contact may be asked for, in words; ``has_asked``: a question about it passed."""

    def __init__(self, passages: Sequence[Passage], askable: str = "") -> None:
        self._passages = list(passages)
        self._askable = askable
        self.has_asked = False
        self._proofs: list[tuple[Passage, Unit]] = []

    @property
    def citations(self) -> list[Citation]:
        """One for each quote, numbered in the order in which the text refers to them."""
        return [_citation(number, passage, unit) for number, (passage, unit) in enumerate(self._proofs, 1)]

    def add(self, passage: Passage) -> int:
        """What came to be known while the answer was written; the number by which it may be cited."""
        self._passages.append(passage)
        return len(self._passages)

    def begin_again(self) -> None:
        """Another text over the same passages."""
        self._proofs.clear()
        self.has_asked = False

    def admit(self, sentence: str) -> str:
        """The sentence as it may be shown, its marks numbered like ``citations``. Raises Ungrounded."""
        body = MARK.sub("", sentence)
        if len(sentence) > LONGEST:
            raise Ungrounded(f"it is longer than {LONGEST} characters", sentence=sentence)
        if _has_markup(body):
            raise Ungrounded("it holds markup: write plain sentences without links, images or tags", sentence=sentence)
        marks = list(dict.fromkeys(int(mark) for mark in MARK.findall(sentence)))
        if not marks:
            if is_courtesy(body) or self._asks(body):
                return sentence
            raise Ungrounded("it cites no passage", sentence=sentence)
        cited = [self._passage(mark, sentence) for mark in marks]
        proofs = self._proven(sentence, body, cited)
        numbers = {mark: self._number(proof) for mark, proof in zip(marks, proofs, strict=True)}
        return MARK.sub(lambda mark: f"[{numbers[int(mark[1])]}]", sentence)

    def _asks(self, body: str) -> bool:
        """A question made of the words of what may be asked for claims nothing: "What is your order number?"."""
        asks = body.rstrip().endswith(("?", "？")) and bool(self._askable) and not any(_faults(body, self._askable))
        self.has_asked = self.has_asked or asks
        return asks

    def _passage(self, mark: int, sentence: str) -> Passage:
        if not 1 <= mark <= len(self._passages):
            raise Ungrounded(f"there is no passage [{mark}]", sentence=sentence)
        return self._passages[mark - 1]

    def _proven(self, sentence: str, body: str, cited: Sequence[Passage]) -> list[Proof]:
        whole = "\n".join(f"{one.title}\n{one.heading}\n{one.text}" for one in cited)
        for reason in _faults(body, whole):
            raise Ungrounded(reason, sentence=sentence)
        proofs = [_proof(body, passage) for passage in cited]
        if not all(proof.shared > 0 for proof in proofs):
            raise Ungrounded("it cites a passage that says nothing of it", sentence=sentence)
        # An item may be read alone, or with the line that introduces its list.
        quotes = [text for proof in proofs for text in (proof.unit.quote, f"{proof.unit.lead} {proof.unit.quote}")]
        if not any(_agree(body, quote) for quote in quotes):
            raise Ungrounded("it denies what its passage affirms, or the other way round", sentence=sentence)
        return proofs

    def _number(self, proof: Proof) -> int:
        known = (proof.passage, proof.unit)
        if known not in self._proofs:
            self._proofs.append(known)
        return self._proofs.index(known) + 1


def _has_markup(body: str) -> bool:
    tag = _TAG.search(body)
    return bool(_MARKUP.search(body)) or (tag is not None and ">" in body[tag.end() :])


def _faults(body: str, source: str) -> Iterator[str]:
    if lost := missing(figures(_unlisted(body)), figures(source)):
        yield f"its passage does not hold the figure {_shown(lost[0])}"
    if unknown := strange(body, source):
        yield f"its passage does not hold the name or address {unknown[0]!r}"
    claimed = list(dict.fromkeys(terms(plain(body))))
    if not claimed and not _quoted(body, source):
        yield "it says nothing that can be compared with its passage"
    elif claimed and _share(claimed, set(terms(plain(source)))) < ENOUGH:
        yield "it says more than its passage: keep to the passage's own words"


def _agree(body: str, quote: str) -> bool:
    """Whether both deny or both affirm. Where the body says nearly all that the quote says, each denial counts: "do not
    ship without a heat pack" has two. A shorter one may leave some out."""
    said, written = len(_DENIAL.findall(body)), len(_DENIAL.findall(quote))
    if _share(terms(plain(quote)) or [""], set(terms(plain(body)))) >= NEARLY_ALL:
        return said == written
    return bool(said) == bool(written)


def _quoted(body: str, source: str) -> bool:
    """Whether a sentence of small words alone ("I cannot do that.") stands in its source as it is. A "Yes" or a "No"
    does not count: it speaks of the question."""
    said = _small(body)
    return len(said.split()) >= _FEWEST and f" {said} " in f" {_small(source)} "


def _small(text: str) -> str:
    return _NO_WORD.sub(" ", plain(text).casefold()).strip()


def _unlisted(body: str) -> str:
    """Without the number of a list item."""
    return _ITEM_NUMBER.sub("", body)


def _shown(figure: Figure) -> str:
    return f"{figure.value} {figure.unit}".strip()


def _share(claimed: Sequence[str], known: set[str]) -> float:
    alike = synonyms()
    return sum(word in known or bool(alike.get(word, frozenset()) & known) for word in claimed) / len(claimed)


def _proof(body: str, passage: Passage) -> Proof:
    """The quote of this passage that bears the sentence best: by its words, then by its figures."""
    claimed, numbers = list(dict.fromkeys(terms(plain(body)))), set(figures(body))
    proofs = [
        Proof(passage, unit, _borne(body, claimed, f"{unit.lead} {unit.shown}")) for unit in units_of(passage.text)
    ]
    if not proofs:
        raise Ungrounded("its passage holds nothing that can be quoted", sentence=body)
    return max(proofs, key=lambda proof: proof.shared + 0.2 * len(numbers & set(figures(proof.unit.shown))))


def _borne(body: str, claimed: Sequence[str], quote: str) -> float:
    return _share(claimed, set(terms(quote))) if claimed else float(_quoted(body, quote))


def _citation(number: int, passage: Passage, unit: Unit) -> Citation:
    return Citation(
        n=number,
        document=passage.document,
        title=passage.title,
        heading=passage.heading,
        url=passage.url,
        version=passage.version,
        quote=unit.quote,
    )


# Sentences that claim nothing, recognised by closed lists: whoever says anything else must cite.
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
