"""The model that needs no key and no network: it answers in the documents' own sentences, each with its source, and
does what it is asked for, once it has asked for what that needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from agent_worker.actions.dialogue.talk import Talk
from agent_worker.handoff.drafts import not_found_draft
from agent_worker.knowledge.questions import with_context
from agent_worker.models.extraction import Quote, quotes, repeats
from agent_worker.models.phrases import set_phrase
from agent_worker.models.registry import Emit
from agent_worker.settings import WorkerSettings
from agent_worker.voice import Voice, in_language
from schemas.messages import Citation
from schemas.ports import Clock, Draft, Part, Question


def _now() -> datetime:
    return datetime.now(UTC)


class LocalModel:
    """Implements schemas.ports.Model. Of ``settings`` it uses each tenant's voice; ``clock`` tells what "tomorrow"
    is."""

    def __init__(self, settings: WorkerSettings, name: str = "local", *, clock: Clock = _now) -> None:
        self.name = name
        self._settings = settings
        self._clock = clock

    async def answer(self, question: Question, emit: Emit) -> Draft:
        """Never raises ModelFailed; what the documents do not hold is declined."""
        rules, now = self._settings.of(question.tenant), self._clock()
        voice = in_language(rules.voice, question.locale)
        phrase = set_phrase(question, voice, self.name)
        talk = Talk(question, voice, self.name, now, rules.actions.today(now))
        if phrase is None and question.offers and (acted := await talk.reply()) is not None:
            return acted
        draft, pieces = (phrase, [phrase.text]) if phrase is not None else self._extracted(question, voice)
        if draft.handoff:
            return draft
        if reminder := talk.reminder():
            pieces = [*pieces, f"\n\n{reminder}"] if pieces else []
            draft = replace(draft, text=f"{draft.text}\n\n{reminder}")
        for piece in pieces:
            await emit(piece)
        return replace(draft, filling=talk.filling)

    def _extracted(self, question: Question, voice: Voice) -> tuple[Draft, list[str]]:
        chosen = several(question.parts)
        if not chosen and question.found.answerable:
            chosen = [quotes(with_context(question.text, (), question.context), question.found.passages)]
        if not any(chosen):
            return not_found_draft(voice, self.name), []
        pieces = paragraphs(chosen)
        citations = cite([quote for part in chosen for quote in part])
        return Draft(text="".join(pieces), answered=True, citations=citations, model=self.name), pieces


def several(parts: Sequence[Part]) -> list[list[Quote]]:
    """What answers each of the messages, without repeating itself. Empty where one has no answer of its own: then they
    are answered as one."""
    if not all(part.found.answerable for part in parts):
        return []
    chosen: list[list[Quote]] = []
    for part in parts:
        before = [quote for quotes_ in chosen for quote in quotes_]
        new = [one for one in quotes(part.text, part.found.passages) if not any(repeats(one, each) for each in before)]
        if new:
            chosen.append(new)
    return chosen


def paragraphs(parts: Sequence[Sequence[Quote]]) -> list[str]:
    """The quotes as pieces of one text, a paragraph for each part."""
    pieces: list[str] = []
    number = 1
    for part in parts:
        first, *rest = written(part, number)
        pieces += [f"\n\n{first}" if pieces else first, *rest]
        number += len(part)
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


def cite(chosen: Sequence[Quote]) -> list[Citation]:
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
        for number, quote in enumerate(chosen, 1)
    ]
