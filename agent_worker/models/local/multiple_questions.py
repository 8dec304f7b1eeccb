"""Answers to several questions of one turn: which are answered, and how the others are named."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from agent_worker.actions.slot_filling.action_matching import names_anything, pick
from agent_worker.handoff.reply_templates import person_choice
from agent_worker.knowledge.text.analysis import synonyms, terms
from agent_worker.knowledge.text.query_splitting import with_context
from agent_worker.models.local.extraction import Quote, quotes, repeats
from agent_worker.phrases import Voice
from schemas.messages import Citation
from schemas.ports import Draft, Part, Question

TITLED = 3
"""Answers to so many questions are hard to tell apart without a title."""
_LONGEST = 70
_MOST_READ = 400
"""Characters of a question that are quoted back."""
_LINK = re.compile(r"://|www\.|\w\.\w{2}", re.IGNORECASE)
"""Found in a word that is an address."""
_UNSAFE = re.compile(r"[\[\]()<>{}*_~`|#@\\\u200b-\u200f\u2028-\u202e\u2066-\u2069\x00-\x1f“”„\"]")


@dataclass(slots=True)
class Answer:
    """Quotes, and the ``questions`` that they answer, as the contact wrote them."""

    quotes: list[Quote]
    questions: list[str]


@dataclass(slots=True)
class Quoted:
    """What the documents' own words answer, in the order asked; ``missing``: the questions that they do not."""

    answers: list[Answer] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @property
    def citations(self) -> list[Quote]:
        return [quote for answer in self.answers for quote in answer.quotes]


def quoted(parts: Sequence[Part]) -> Quoted:
    """Nothing is said twice: a question whose answer was given with an earlier one is answered by that."""
    result = Quoted()
    for part in parts:
        found = quotes(part.text, part.found.passages) if part.found.answerable else []
        words = [part.words or part.text] if part.is_question else []
        if not found or not _is_about(part, found):
            result.missing += words
            continue
        said = result.citations
        if new := [one for one in found if not any(repeats(one, each) for each in said)]:
            result.answers.append(Answer(new, words))
        else:
            _answering(result, found).questions += words
    return result


def _answering(result: Quoted, found: Sequence[Quote]) -> Answer:
    """The answer that says what was ``found`` again."""
    return max(result.answers, key=lambda one: sum(repeats(new, old) for new in found for old in one.quotes))


def one_answer(question: Question) -> list[Answer]:
    """To all that was written, read as one; empty when no passage holds it."""
    found = quotes(with_context(question.text, (), question.context), question.found.passages)
    return [Answer(found, [])] if found else []


def _is_about(part: Part, found: Sequence[Quote]) -> bool:
    """Whether quotes that were found with the help of an earlier question are about this one."""
    if part.text == part.words or not part.words or part.text.endswith(f" {part.words}"):
        return True
    own = set(terms(part.words)) - set(terms(part.text.removesuffix(part.words)))
    said = " ".join(f"{one.passage.title} {one.passage.heading} {one.unit.lead} {one.unit.shown}" for one in found)
    return not own or bool(own & _known(said))


def _known(text: str) -> set[str]:
    """Its terms, and those that mean the same."""
    found = set(terms(text))
    return found.union(*(synonyms().get(word, ()) for word in found))


def unanswered(parts: Sequence[Part], text: str, citations: Sequence[Citation]) -> list[int]:
    """Numbers, from 1, of the questions that ``text`` leaves out. One is answered when the passage that was found first
    for it alone is cited, or when the text, with what it cites, holds most of the words that only this one has."""
    said = _known(" ".join([text, *(f"{one.title} {one.heading} {one.quote}" for one in citations)]))
    cited = {(one.document, one.heading) for one in citations}
    places = [
        [(one.document, one.heading) for one in part.found.passages[:1] if part.found.answerable] for part in parts
    ]
    bags = [set(terms(part.words or part.text)) for part in parts]
    left: list[int] = []
    for n, (bag, place) in enumerate(zip(bags, places, strict=True)):
        others = set().union(*(other for m, other in enumerate(bags) if m != n))
        own = (bag - others) or bag
        is_cited = bool(cited.intersection(place)) and places.count(place) == 1
        if own and not is_cited and 2 * len(own & said) <= len(own):
            left.append(n + 1)
    return left


def questions_of(parts: Sequence[Part]) -> list[Part]:
    """Those that must be answered or named."""
    return [part for part in parts if part.is_question]


def naming(missing: Sequence[str], beyond: Sequence[str], voice: Voice) -> str:
    """The questions that were not answered, and the offer of a person; empty when there are none."""
    said = [_named(voice.not_found_about, missing)] if missing else []
    said += [_named(voice.not_answered, beyond)] if beyond else []
    return " ".join([*said, voice.person_offer]) if said else ""


def _named(phrase: str, questions: Sequence[str]) -> str:
    shown = [f"“{brief}”" for one in questions if (brief := in_brief(one))]
    return phrase.replace("{questions}", ", ".join(shown))


def with_naming(draft: Draft, missing: Sequence[str], beyond: Sequence[str], voice: Voice) -> Draft:
    """The draft with the questions that it does not answer."""
    said = naming(missing, beyond, voice)
    if not said:
        return draft
    return replace(
        draft,
        text=f"{draft.text}\n\n{said}" if draft.text else said,
        choices=[*draft.choices, person_choice(voice)],
        reasons=[*draft.reasons, f"no answer to {len(missing) + len(beyond)} of the questions"],
    )


def in_brief(question: str) -> str:
    """A contact's words as they may be repeated: one short line without links, mentions and markup."""
    words = ("…" if _LINK.search(word) else word for word in question[:_MOST_READ].split())
    plain = " ".join(_UNSAFE.sub(" ", " ".join(words)).split())
    return plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST].rsplit(' ', 1)[0]} …"


def beside_action(asked: Sequence[Part], question: Question) -> list[Part]:
    """Of the questions ``asked`` those that ask for no action, hold no name that one needs, and refer to no wish."""
    wanting = [part for part in asked if pick(part.words, question.offers) is not None]
    if not wanting and len(asked) == len(question.parts):
        wanting = list(asked[:1])  # one of them was taken for the wish, by all that was written
    return [
        part
        for part in asked
        if part not in wanting
        and not part.text.endswith(f"\n{part.words}")
        and not names_anything(part.words, question.offers)
    ]


def without(text: str, parts: Sequence[Part]) -> str:
    """The text without what ``parts`` ask; as it is when nothing else would be left."""
    left = text
    for part in parts:
        left = left.replace(part.words, " ", 1)
    return left.strip() or text


def before_action(draft: Draft, parts: Sequence[Part], voice: Voice) -> Draft:
    """What an action says, below the answers to ``parts``, which were asked beside it. What the documents do not hold
    is named without the offer of a person: what follows may be a question for a yes."""
    found = quoted(parts)
    missing = [one for one in found.missing if len(set(terms(one))) > 1]
    first = len(draft.citations) + 1
    said = ["".join(paragraphs(found.answers, first))] if found.answers else []
    said += [_named(voice.not_found_about, missing)] if missing else []
    if not said:
        return draft
    citations = [*draft.citations, *cite(found.citations, first)]
    return replace(draft, text="\n\n".join([*said, draft.text]), citations=citations)


def handed_over_with(draft: Draft, parts: Sequence[Part]) -> Draft:
    """A handoff, below the answers to what was asked beside the wish for a person; people see to the rest."""
    found = quoted(parts)
    if not found.answers:
        return draft
    citations = cite(found.citations)
    return replace(draft, text=f"{''.join(paragraphs(found.answers))}\n\n{draft.text}", citations=citations)


def paragraphs(answers: Sequence[Answer], first: int = 1) -> list[str]:
    """The quotes as pieces of one text, a paragraph for each answer; numbered from ``first`` on. From three questions
    on each paragraph says what it answers."""
    pieces: list[str] = []
    number = first
    is_titled = sum(len(answer.questions) for answer in answers) >= TITLED
    for answer in answers:
        begin, *rest = written(answer.quotes, number)
        titles = [f"“{brief}”" for one in answer.questions if is_titled and (brief := in_brief(one))]
        lead = f"{' '.join(titles)}\n" if titles else ""
        pieces += [f"\n\n{lead}{begin}" if pieces else f"{lead}{begin}", *rest]
        number += len(answer.quotes)
    return pieces


def written(chosen: Sequence[Quote], first: int = 1) -> list[str]:
    """The quotes as pieces of one text, each with its number from ``first`` on; items and rows keep their lines."""
    pieces: list[str] = []
    before = ""
    for number, quote in enumerate(chosen, first):
        listed = quote.unit.kind in ("item", "row")
        joint = "" if not pieces else "\n" if listed else "\n\n" if before != "sentence" else " "
        before = quote.unit.kind
        if quote.unit.kind == "code":
            pieces.append(f"{joint or ''}\n{quote.unit.shown}\n[{number}]")
        else:
            pieces.append(f"{joint}{'- ' if listed and len(chosen) > 1 else ''}{quote.unit.shown} [{number}]")
    return pieces


def cite(chosen: Sequence[Quote], first: int = 1) -> list[Citation]:
    return [
        Citation(
            n=number,
            document=quote.passage.document,
            title=quote.passage.title,
            heading=quote.passage.heading,
            url=quote.passage.url,
            version=quote.passage.version,
            quote=quote.unit.quote,
        )
        for number, quote in enumerate(chosen, first)
    ]
