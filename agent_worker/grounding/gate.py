"""The groundedness gate.

A sentence must cite passages that were found. Its numbers with their units, its names and its addresses must occur in
them, and so must most of its words; and it must not deny what they affirm, or the reverse. It must also answer what was
asked (``answer_check``). Only polite phrases from a closed vocabulary need no proof. The gate only compares texts, so
nothing that a document or a contact wrote can persuade it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from agent_worker.grounding.answer_check import (
    DENIAL,
    AnswerCheck,
    check_answer,
    has_foreign_opening,
    is_about,
    is_refusal,
    remove_opening,
    repeats_question,
)
from agent_worker.grounding.failures import Ungrounded
from agent_worker.grounding.names import unknown_names
from agent_worker.grounding.numbers import Quantity, find_quantities, missing_quantities, normalize_characters
from agent_worker.grounding.sentence_splitter import CITATION_MARK
from agent_worker.knowledge.text.analysis import synonyms, terms
from agent_worker.knowledge.text.sentences import QuoteUnit, units_of
from schemas.messages import Citation
from schemas.ports import Passage

MAX_SENTENCE_LENGTH = 600
"""Characters. Longer ones are lists without line breaks, or floods."""
NOTHING_DOUBTED: Mapping[str, str] = MappingProxyType({})
MIN_SHARED = 0.6
"""The share of a sentence's terms that must occur in what it cites."""
NEARLY_ALL = 0.8
"""The share of a quote's terms from which a sentence counts as its repetition."""
_MIN_QUOTE_WORDS = 3
"""Words of a sentence that can be a quote even though it consists of stop words."""
_MARKUP = re.compile(r"!\[|\]\(|[\u202a-\u202e\u2066-\u2069]")
_TAG = re.compile(r"<[a-zA-Z/!]")
_NO_WORD = re.compile(r"[^\w'’]+")
_SPACE_BEFORE_MARK = re.compile(r"(?<!\s)\s+(?=[.,;:!?])")
"""Left where a citation stood."""
_ITEM_NUMBER = re.compile(r"^\s*\d{1,2}[.)]\s+")


@dataclass(frozen=True, slots=True)
class Proof:
    """A quote that supports a sentence, and the share of the sentence's terms in it."""

    passage: Passage
    unit: QuoteUnit
    shared: float


class Gate:
    """The gate of one answer over the passages as the model saw them, numbered from 1. It collects the citations.
    ``askable``: the words with which the contact may be asked for an action's parameters; ``has_asked``: such a
    question has passed. ``questions``: what was asked; a sentence answers at least one of them, as far as ``check`` can
    tell. ``doubted``: those of them to which the search found no likely answer, each with the words that it was
    searched for. ``refusals``: the tenant's phrases for a refusal without a reason."""

    def __init__(
        self,
        passages: Sequence[Passage],
        askable: str = "",
        *,
        questions: Sequence[str] = (),
        doubted: Mapping[str, str] = NOTHING_DOUBTED,
        check: AnswerCheck = check_answer,
        refusals: Collection[str] = (),
    ) -> None:
        self._passages = list(passages)
        self._askable = askable
        self._questions = questions
        self._doubted = doubted
        self._check = check
        self._refusals = refusals
        self.has_asked = self._has_answered = self._has_refused = False
        self._proofs: list[tuple[Passage, QuoteUnit]] = []

    @property
    def citations(self) -> list[Citation]:
        """One for each quote, numbered in the order in which the text refers to them."""
        return [passage.cite(number, unit.quote) for number, (passage, unit) in enumerate(self._proofs, 1)]

    @property
    def only_refuses(self) -> bool:
        """Whether the text so far refuses and answers nothing."""
        return self._has_refused and not self._has_answered

    def add(self, passage: Passage) -> int:
        """Add a passage that became known during the answer. Returns its number."""
        self._passages.append(passage)
        return len(self._passages)

    def reset(self) -> None:
        """Start another text over the same passages."""
        self._proofs.clear()
        self.has_asked = self._has_answered = self._has_refused = False

    def admit(self, sentence: str) -> str:
        """The sentence as it may be shown, with marks numbered like ``citations``, and without the Yes or No that its
        passage gives to another question. Raises Ungrounded."""
        body = CITATION_MARK.sub("", sentence)
        if len(sentence) > MAX_SENTENCE_LENGTH:
            raise Ungrounded(f"it is longer than {MAX_SENTENCE_LENGTH} characters", sentence=sentence)
        if _has_markup(body):
            raise Ungrounded(
                "it contains markup: write plain sentences without links, images or tags", sentence=sentence
            )
        marks = list(dict.fromkeys(int(mark) for mark in CITATION_MARK.findall(sentence)))
        if not marks:
            if is_courtesy(body) or self._asks(body):
                return sentence
            raise Ungrounded("it cites no passage", sentence=sentence)
        cited = [self._passage(mark, sentence) for mark in marks]
        proofs = self._prove(sentence, body, cited)
        sentence = self._drop_foreign_opening(sentence, cited)
        body = CITATION_MARK.sub("", sentence)
        if reason := self._find_objection(body, cited):
            raise Ungrounded(reason, sentence=sentence)
        is_answer = not is_refusal(body, self._refusals)
        self._has_answered, self._has_refused = self._has_answered or is_answer, self._has_refused or not is_answer
        numbers = {mark: self._number(proof) for mark, proof in zip(marks, proofs, strict=True)}
        return CITATION_MARK.sub(lambda mark: f"[{numbers[int(mark[1])]}]", sentence)

    def _asks(self, body: str) -> bool:
        """A question made of ``askable`` words claims nothing: "What is your order number?"."""
        asks = body.rstrip().endswith(("?", "？")) and bool(self._askable) and not any(_faults(body, self._askable))
        self.has_asked = self.has_asked or asks
        return asks

    def _passage(self, mark: int, sentence: str) -> Passage:
        if not 1 <= mark <= len(self._passages):
            raise Ungrounded(f"there is no passage [{mark}]", sentence=sentence)
        return self._passages[mark - 1]

    def _prove(self, sentence: str, body: str, cited: Sequence[Passage]) -> list[Proof]:
        for reason in _faults(body, "\n".join(map(_source_text, cited))):
            raise Ungrounded(reason, sentence=sentence)
        proofs = [_proof(body, passage) for passage in cited]
        if not all(proof.shared > 0 for proof in proofs):
            raise Ungrounded("it cites a passage that does not say this", sentence=sentence)
        # A list item may be read alone, or with the line that introduces its list.
        quotes = [text for proof in proofs for text in (proof.unit.quote, f"{proof.unit.lead} {proof.unit.quote}")]
        if not any(_agree(body, quote) for quote in quotes):
            raise Ungrounded("it denies what its passage affirms, or the other way round", sentence=sentence)
        return proofs

    def _drop_foreign_opening(self, sentence: str, cited: Sequence[Passage]) -> str:
        """What follows the Yes or No may still answer; asking the model again would cost a request."""
        body = CITATION_MARK.sub("", sentence)
        pairs = [(question, passage) for question in self._questions for passage in cited]
        if not pairs or not all(has_foreign_opening(question, body, passage) for question, passage in pairs):
            return sentence
        indent = sentence[: len(sentence) - len(sentence.lstrip())]
        rest = remove_opening(sentence)
        return f"{indent}{rest}" if CITATION_MARK.sub("", rest).strip(" .") else sentence

    def _find_objection(self, body: str, cited: Sequence[Passage]) -> str | None:
        """The reason why the sentence answers none of the questions. None if it may answer one."""
        objection = None
        for question in self._questions:
            if (objection := self._object(question, body, cited)) is None:
                return None
        return objection

    def _object(self, question: str, body: str, cited: Sequence[Passage]) -> str | None:
        if repeats_question(question, body, "\n".join(map(_source_text, cited))):
            return "it only repeats the question: say what its passage answers"
        searched = self._doubted.get(question)
        if searched is not None and not any(is_about(searched, body, passage) for passage in cited):
            return "it is about something else than the question: answer that, or write NOT_FOUND"
        plain = _SPACE_BEFORE_MARK.sub("", body).strip()
        objections = [self._check(question, plain, passage) for passage in cited]
        return objections[0] if all(objections) else None

    def _number(self, proof: Proof) -> int:
        proof_key = (proof.passage, proof.unit)
        if proof_key not in self._proofs:
            self._proofs.append(proof_key)
        return self._proofs.index(proof_key) + 1


def _source_text(passage: Passage) -> str:
    return f"{passage.title}\n{passage.heading}\n{passage.text}"


def _has_markup(body: str) -> bool:
    tag = _TAG.search(body)
    return bool(_MARKUP.search(body)) or (tag is not None and ">" in body[tag.end() :])


def _faults(body: str, source: str) -> Iterator[str]:
    if lost := missing_quantities(find_quantities(_strip_item_number(body)), find_quantities(source)):
        yield f"its passage does not contain the figure {_format_quantity(lost[0])}"
    if unknown := unknown_names(body, source):
        yield f"its passage does not contain the name or address {unknown[0]!r}"
    claimed = list(dict.fromkeys(terms(normalize_characters(body))))
    if not claimed and not _is_quote(body, source):
        yield "it says nothing that can be compared with its passage"
    elif claimed and _term_overlap(claimed, set(terms(normalize_characters(source)))) < MIN_SHARED:
        yield "it says more than its passage: keep to the passage's own words"


def _agree(body: str, quote: str) -> bool:
    """Return whether both deny or both affirm. If the body contains nearly all of the quote, each negation counts: "do
    not ship without a heat pack" has two. A shorter body may omit some."""
    denials, quote_denials = len(DENIAL.findall(body)), len(DENIAL.findall(quote))
    if _term_overlap(terms(normalize_characters(quote)) or [""], set(terms(normalize_characters(body)))) >= NEARLY_ALL:
        return denials == quote_denials
    return bool(denials) == bool(quote_denials)


def _is_quote(body: str, source: str) -> bool:
    """Return whether a sentence of stop words ("I cannot do that.") occurs verbatim in the source. "Yes" and "No" do
    not count, because they depend on the question."""
    words = _normalize(body)
    return len(words.split()) >= _MIN_QUOTE_WORDS and f" {words} " in f" {_normalize(source)} "


def _normalize(text: str) -> str:
    return _NO_WORD.sub(" ", normalize_characters(text).casefold()).strip()


def _strip_item_number(body: str) -> str:
    return _ITEM_NUMBER.sub("", body)


def _format_quantity(figure: Quantity) -> str:
    return f"{figure.value} {figure.unit}".strip()


def _term_overlap(claimed: Sequence[str], source_terms: set[str]) -> float:
    alike = synonyms()
    return sum(word in source_terms or bool(alike.get(word, frozenset()) & source_terms) for word in claimed) / len(
        claimed
    )


def _proof(body: str, passage: Passage) -> Proof:
    """The quote of this passage that supports the sentence best: by its words, then by its numbers."""
    claimed, numbers = list(dict.fromkeys(terms(normalize_characters(body)))), set(find_quantities(body))
    proofs = [
        Proof(passage, unit, _support(body, claimed, f"{unit.lead} {unit.text}")) for unit in units_of(passage.text)
    ]
    if not proofs:
        raise Ungrounded("its passage contains nothing that can be quoted", sentence=body)
    return max(proofs, key=lambda proof: proof.shared + 0.2 * len(numbers & set(find_quantities(proof.unit.text))))


def _support(body: str, claimed: Sequence[str], quote: str) -> float:
    return _term_overlap(claimed, set(terms(quote))) if claimed else float(_is_quote(body, quote))


# Sentences without claims, recognised by closed lists. All others must cite a passage.
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
