"""Answers to several questions in one turn: which are answered, and how the others are named."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from agent_worker.actions.slot_filling.action_matching import match_action, names_anything
from agent_worker.handoff.reply_templates import person_choice
from agent_worker.knowledge.text.analysis import synonyms, term, terms
from agent_worker.models.local.extraction import Quote, find_answer, find_priced, repeats, select_quotes
from agent_worker.models.local.quote_format import cite_group, format_quotes, group_quotes, heading_before
from agent_worker.nlu.language_detection import base_language, detect_language
from agent_worker.nlu.language_names import name_language
from agent_worker.reading.question_form import has_figure, wanted_figure
from agent_worker.reading.suggestions import suggestions_of
from agent_worker.translations import choose_language
from agent_worker.voice import Voice
from schemas.messages import Citation
from schemas.ports import AnswerDraft, Passage, Question, QuestionPart

MIN_TITLED_QUESTIONS = 3
"""From this many questions on each answer gets a title, so that it is clear which one it answers."""
_MIN_SHARE_OF_OWN = 0.35
"""Share of a question's own words that its answer must contain, unless it gives the figure asked for."""
_MIN_SHARE_OF_REPEATED = 0.5
"""Share of a question's own words in an answer that was given to another question already."""
_CONTRASTS = frozenset(
    ["in", "out", "on", "off", "up", "down", "before", "after", "with", "without", "over", "under", "first", "last"]
)
"""Words that searches leave out, and that alone tell "check in" from "check out"."""
_FIGURE_TERMS = frozenset(
    map(
        term,
        ["anything", "charge", "cost", "extra", "fee", "free", "go", "last", "often", "pay", "price", "run", "take"],
    )
)
"""Terms of a question that wants a figure, and says of nothing else what it is about."""
_MAX_QUESTION_LENGTH = 70
_MAX_READ = 400
"""Characters of a question that are considered for quoting."""
_WORD = re.compile(r"\w+")
_CALLS_HELP = re.compile(
    r"(?<![\d.,€£$])(?:999|112|911)(?![\d.,]\d)|\b(?:ambulance|emergency (?:number|services|room|department)|a&e|"
    r"hospital|vets?|doctor|poisons? (?:information|control|cent\w+|line|helpline)|\w*notruf\w*|notarzt|rettungsdienst|"
    r"krankenhaus|giftinformation\w*|tier[aä]rzt\w*|urgences|samu|antipoison|v[ée]t[ée]rinaire|urgencias|"
    r"toxicol[oó]g\w+|veterinari[oa]|pronto soccorso|antiveleni|spoedeisende|alarmnummer|dierenarts|huisarts|"
    r"emerg[eê]ncia|pogotowie|weterynarz\w*)\b",
    re.IGNORECASE,
)
"""Somebody who helps in an emergency."""
_COMPOUND = re.compile(r"\b[^\W\d_]{1,20}-[^\W\d_]{1,20}\b")
_LINK = re.compile(r"://|www\.|\w\.\w{2}", re.IGNORECASE)
"""Found in a word that is an address."""
_MARKUP = re.compile(r"[\[\]()<>{}*_~`|#@\\\u200b-\u200f\u2028-\u202e\u2066-\u2069\x00-\x1f“”„\"]")


@dataclass(slots=True)
class QuestionAnswer:
    """Quotes, and the ``questions`` that they answer, as the contact wrote them."""

    quotes: list[Quote]
    questions: list[str]


@dataclass(slots=True)
class QuotedAnswers:
    """Answers in the documents' words, in the order asked; ``missing``: questions without one."""

    answers: list[QuestionAnswer] = field(default_factory=list)
    missing: list[QuestionPart] = field(default_factory=list)

    @property
    def quotes(self) -> list[Quote]:
        return [quote for answer in self.answers for quote in answer.quotes]

    @property
    def is_titled(self) -> bool:
        asked = len(self.missing) + sum(len(answer.questions) for answer in self.answers)
        return asked >= MIN_TITLED_QUESTIONS

    def cite(self, first: int = 1) -> list[Citation]:
        """The citations, numbered from ``first`` as ``format_paragraphs`` does."""
        groups = [group for answer in self.answers for group in group_quotes(answer.quotes)]
        return [cite_group(group, number) for number, group in enumerate(groups, first)]


def quote_answers(parts: Sequence[QuestionPart], *, is_picked: bool = False) -> QuotedAnswers:
    """Nothing is said twice: a question whose answer was already quoted is added to that answer, if that contains most
    of the words that only this question has. ``is_picked``: the parts are sections, quoted whatever they lack."""
    find = select_quotes if is_picked else find_answer
    result = QuotedAnswers()
    for part, own in zip(parts, _own_terms(parts), strict=True):
        passages = part.search_result.passages if part.search_result.answerable else []
        found = find(part.text, [*_priced_before(part, result), *passages])
        words = [part.words or part.text] if part.is_question else []
        unanswered = [part] if part.is_question else []
        share = 1.0 if is_picked else _share_of(own, found)
        if not found or not (share >= _MIN_SHARE_OF_OWN or _gives_figure(part, found)):
            result.missing += unanswered
            continue
        previous = result.quotes
        if new := [one for one in found if is_picked or not any(repeats(one, each) for each in previous)]:
            result.answers.append(QuestionAnswer(new, words))
        elif share >= _MIN_SHARE_OF_REPEATED or not words:
            _existing_answer(result, found).questions += words
        else:
            result.missing += unanswered
    for part in list(result.missing):
        before = next((one for one, after in pairwise(parts) if after is part), None)
        if (answer := _answer_beside(part, before, result.answers)) is not None:
            answer.questions.append(part.words or part.text)
            result.missing.remove(part)
    return result


def _priced_before(part: QuestionPart, result: QuotedAnswers) -> list[Passage]:
    """The section quoted last, if it has the price that the question wants: after "what is in the plan?", "how much for
    a small dog?" means the plan."""
    quoted = [quote.passage for quote in result.quotes[-1:]]
    return quoted if find_priced(part.words or part.text, quoted) is not None else []


def _answer_beside(
    part: QuestionPart, before: QuestionPart | None, answers: Sequence[QuestionAnswer]
) -> QuestionAnswer | None:
    """The answer to another question that answers this one too: it contains all of its words, or the figure that "and
    what does it cost?" wants of what was asked ``before``."""
    words = part.words or part.text
    asked, figure = set(terms(words)), wanted_figure(words)
    texts = [" ".join(quote.unit.text for quote in answer.quotes) for answer in answers]
    for answer, text in zip(answers, texts, strict=True):
        if len(asked - _FIGURE_TERMS) > 1 and asked <= _terms_and_synonyms(text):
            return answer
        is_before = before is not None and (before.words or before.text) in answer.questions
        if is_before and figure and has_figure(figure, text) and asked <= _FIGURE_TERMS:
            return answer
    return None


def _existing_answer(result: QuotedAnswers, found: Sequence[Quote]) -> QuestionAnswer:
    """The answer that contains the ``found`` quotes already."""
    return max(result.answers, key=lambda one: sum(repeats(new, old) for new in found for old in one.quotes))


def quote_jointly(question: Question) -> QuotedAnswers | None:
    """One answer to the whole text. None when no passage contains it, or when it answers none of several questions. A
    picked section is quoted whatever it lacks."""
    find = select_quotes if question.is_picked else find_answer
    found = find(question.resolved or question.text, question.search_result.passages)
    if not found:
        return None
    joint = QuotedAnswers([QuestionAnswer(found, [])])
    questions = questions_of(question.parts)
    text = "".join(format_paragraphs(joint))
    joint.missing = [questions[n - 1] for n in find_unanswered(questions, text, joint.cite())]
    return None if questions and len(joint.missing) == len(questions) else joint


def _own_terms(parts: Sequence[QuestionPart]) -> list[set[str]]:
    """For each question, the words that no other one has, and that were not said before it; all of its words if there
    are none."""
    bags = [set(terms(part.words or part.text)) for part in parts]
    before = [set(terms(part.text.removesuffix(part.words))) if "\n" in part.text else set() for part in parts]
    found: list[set[str]] = []
    for n, bag in enumerate(bags):
        others = before[n].union(*(other for m, other in enumerate(bags) if m != n))
        contrast = _contrast(
            parts[n], [part for m, part in enumerate(parts) if bags[m] == bag and part is not parts[n]]
        )
        found.append((bag - others) or contrast or (set() if before[n] else bag))
    return found


def _contrast(part: QuestionPart, others: Sequence[QuestionPart]) -> set[str]:
    """The only words that tell the question from ``others`` with the same terms: "out" of "when is check out?"."""
    said = [set(_WORD.findall((one.words or one.text).casefold())) & _CONTRASTS for one in (part, *others)]
    return said[0].difference(*said[1:]) if others else set()


def _share_of(own: set[str], found: Sequence[Quote]) -> float:
    """The share of a question's own words that the quotes or their headings contain; 1 where it has none."""
    said = " ".join(f"{one.passage.title} {one.passage.heading} {one.unit.lead} {one.unit.text}" for one in found)
    quoted = " ".join(one.unit.text for one in found).casefold()
    contained = _terms_and_synonyms(said) | (_CONTRASTS & set(_WORD.findall(quoted)))
    return len(own & contained) / len(own) if own else 1.0


def _gives_figure(part: QuestionPart, found: Sequence[Quote]) -> bool:
    """True if the question wants a price, a time or the like, and the quotes have one."""
    figure = wanted_figure(part.words or part.text)
    return figure is not None and has_figure(figure, " ".join(one.unit.text for one in found))


def _terms_and_synonyms(text: str) -> set[str]:
    """With the words that others write as one: "Wi-Fi"."""
    found = {*terms(text), *map(term, (compound.replace("-", "") for compound in _COMPOUND.findall(text)))}
    return found.union(*(synonyms().get(word, ()) for word in found))


def find_unanswered(parts: Sequence[QuestionPart], text: str, citations: Sequence[Citation]) -> list[int]:
    """Numbers, from 1, of the questions that ``text`` does not answer. A question is answered when the first passage
    found only for it is cited, or when the text and its citations contain most of the words that only this question
    has."""
    text_terms = _terms_and_synonyms(" ".join([text, *(f"{one.title} {one.heading} {one.quote}" for one in citations)]))
    cited = {(one.document, one.heading) for one in citations}
    places = [
        [(one.document, one.heading) for one in part.search_result.passages[:1] if part.search_result.answerable]
        for part in parts
    ]
    bags = [set(terms(part.words or part.text)) for part in parts]
    unanswered: list[int] = []
    for n, (bag, place) in enumerate(zip(bags, places, strict=True)):
        others = set().union(*(other for m, other in enumerate(bags) if m != n))
        own = (bag - others) or bag
        is_cited = bool(cited.intersection(place)) and places.count(place) == 1
        if own and not is_cited and 2 * len(own & text_terms) <= len(own):
            unanswered.append(n + 1)
    return unanswered


def questions_of(parts: Sequence[QuestionPart]) -> list[QuestionPart]:
    """The parts that have to be answered or named."""
    return [part for part in parts if part.is_question]


def name_unanswered(lost: Sequence[str], unsure: Sequence[str], beyond: Sequence[str], voice: Voice) -> str:
    """A sentence for each kind of unanswered questions: ``lost`` were not found, ``beyond`` were too many, and for
    ``unsure`` the documents have sections to choose from, which follow. Without those, a person is offered. Empty when
    there are none."""
    phrases = [(voice.not_found_about, lost), (voice.not_answered, beyond), (voice.not_sure_about, unsure)]
    sentences = [_fill_questions(phrase, questions) for phrase, questions in phrases if questions]
    if sentences and not unsure:
        sentences.append(voice.person_offer)
    return " ".join(sentences)


def _fill_questions(phrase: str, questions: Sequence[str]) -> str:
    quoted = [f"“{brief}”" for one in questions if (brief := shorten_question(one))]
    return phrase.replace("{questions}", ", ".join(quoted))


def add_unanswered(
    draft: AnswerDraft, missing: Sequence[QuestionPart], beyond: Sequence[str], voice: Voice
) -> AnswerDraft:
    """Name the unanswered questions in the draft, and offer the sections that the documents have on them. ``beyond``:
    the words of those that were too many to look up."""
    suggestions = suggestions_of([part.search_result for part in missing], quoted=draft.citations)
    unsure = [part for part in missing if part.search_result.suggestable] if suggestions else []
    lost = [part for part in missing if part not in unsure]
    sentence = name_unanswered(_words_of(lost), _words_of(unsure), beyond, voice)
    if not sentence:
        return draft
    return replace(
        draft,
        text=f"{draft.text}\n\n{sentence}" if draft.text else sentence,
        choices=[*draft.choices, *suggestions, person_choice(voice)],
        reasons=[*draft.reasons, f"no answer to {len(missing) + len(beyond)} of the questions"],
    )


def _words_of(parts: Sequence[QuestionPart]) -> list[str]:
    return [part.words or part.text for part in parts]


def shorten_question(question: str) -> str:
    """A contact's words in a form that can be repeated: one short line without links, mentions and markup."""
    words = ("…" if _LINK.search(word) else word for word in question[:_MAX_READ].split())
    plain = " ".join(_MARKUP.sub(" ", " ".join(words)).split())
    return plain if len(plain) <= _MAX_QUESTION_LENGTH else f"{plain[:_MAX_QUESTION_LENGTH].rsplit(' ', 1)[0]} …"


def questions_beside_action(questions: Sequence[QuestionPart], question: Question) -> list[QuestionPart]:
    """Those of the questions that request no action, contain no identifier that one needs, and do not refer to a
    request."""
    requesting = [part for part in questions if match_action(part.words, question.offers) is not None]
    if not requesting and len(questions) == len(question.parts):
        requesting = list(questions[:1])  # the whole text was taken for a request, so one of them is
    return [
        part
        for part in questions
        if part not in requesting
        and not part.text.endswith(f"\n{part.words}")
        and not names_anything(part.words, question.offers)
    ]


def remove_questions(text: str, parts: Sequence[QuestionPart]) -> str:
    """The text without these questions; unchanged when nothing else would remain."""
    remaining = text
    for part in parts:
        remaining = remaining.replace(part.words, " ", 1)
    return remaining.strip() or text


def prepend_answers(
    draft: AnswerDraft,
    parts: Sequence[QuestionPart],
    voice: Voice,
    locale: str,
    *,
    beyond: Sequence[str] = (),
    least_terms: int = 2,
) -> AnswerDraft:
    """Put the answers to ``parts`` before an action's text. Unanswered questions, and those ``beyond`` what was looked
    up, are named without offering a person or sections, because a question of the action may follow. ``least_terms``:
    a question with fewer is not named, because it may be about the action."""
    quoted = quote_answers(parts)
    missing = [part for part in quoted.missing if len(set(terms(part.words or part.text))) >= least_terms]
    unsure = [part for part in missing if part.search_result.suggestable]
    lost = [part for part in missing if part not in unsure]
    first = len(draft.citations) + 1
    paragraphs = [quote_in_language(quoted, voice, locale, first)] if quoted.answers else []
    phrases = [
        (voice.not_found_about, _words_of(lost)),
        (voice.not_sure_yet_about, _words_of(unsure)),
        (voice.not_answered, beyond),
    ]
    paragraphs += [_fill_questions(phrase, questions) for phrase, questions in phrases if questions]
    if not paragraphs:
        return draft
    citations = [*draft.citations, *quoted.cite(first)]
    return replace(draft, text="\n\n".join([*paragraphs, draft.text]), citations=citations)


def handoff_with_answers(draft: AnswerDraft, parts: Sequence[QuestionPart], voice: Voice, locale: str) -> AnswerDraft:
    """Put the answers to ``parts`` before a handoff; people take care of the rest."""
    quoted = quote_answers(parts)
    if not quoted.answers:
        return draft
    citations = quoted.cite()
    return replace(draft, text=f"{quote_in_language(quoted, voice, locale)}\n\n{draft.text}", citations=citations)


def add_emergency_section(
    draft: AnswerDraft, text: str, passages: Sequence[Passage], voice: Voice, locale: str
) -> AnswerDraft:
    """Put the first section that says whom to call below a handoff. Others may be about something harmless."""
    section = next((one for one in passages if _CALLS_HELP.search(one.text)), None)
    if section is None:
        return draft
    quoted = QuotedAnswers([QuestionAnswer(select_quotes(text, [section]), [])])
    return replace(draft, text=f"{draft.text}\n\n{quote_in_language(quoted, voice, locale)}", citations=quoted.cite())


def quote_in_language(quoted: QuotedAnswers, voice: Voice, locale: str, first: int = 1) -> str:
    """The paragraphs of ``format_paragraphs``, below the name of their language."""
    return "".join([*introduce_language(quoted, voice, locale), *format_paragraphs(quoted, first)])


def introduce_language(quoted: QuotedAnswers, voice: Voice, locale: str) -> list[str]:
    """A line that says in which language the documents are quoted, where it is not the contact's; else nothing. What
    a passage is too short to tell is left open."""
    written = detect_language(" ".join(quote.passage.text for quote in quoted.quotes))
    if not written or written == base_language(locale or voice.locale):
        return []
    return [f"{voice.quoted_from.replace('{language}', name_language(written, choose_language(locale)))}\n\n"]


def format_paragraphs(quoted: QuotedAnswers, first: int = 1) -> list[str]:
    """The quotes as pieces of one text, a paragraph for each answer, numbered from ``first``. From MIN_TITLED_QUESTIONS
    questions on, each paragraph names its question. Before "That is harmless." stands the section's heading, which says
    what is meant."""
    pieces: list[str] = []
    number, is_titled = first, quoted.is_titled
    for answer in quoted.answers:
        begin, *rest = format_quotes(answer.quotes, number)
        titles = [f"“{brief}”" for one in answer.questions if is_titled and (brief := shorten_question(one))]
        if not titles and (heading := heading_before(answer.quotes[0])):
            titles = [heading]
        lead = f"{' '.join(titles)}\n" if any(titles) else ""
        pieces += [f"\n\n{lead}{begin}" if pieces else f"{lead}{begin}", *rest]
        number += len(group_quotes(answer.quotes))
    return pieces
