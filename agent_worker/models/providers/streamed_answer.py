"""The state of an answer while a model writes it: the written text, the shown text, and the cost."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from agent_worker.grounding.failures import AttemptFailed, Ungrounded
from agent_worker.grounding.gate import MAX_SENTENCE_LENGTH, Gate
from agent_worker.grounding.sentence_splitter import CITATION_MARK, SentenceSplitter
from agent_worker.models.action_calls import ActionCalls
from agent_worker.models.prompt import NOT_FOUND, Canary
from agent_worker.models.providers.provider import Usage
from agent_worker.models.request import ModelOutput, Prompt
from schemas.ports import QuestionPart

_NUMBER = re.compile(r"\d+")
_MISSING = re.compile(rf"{NOT_FOUND}\s?:\s?(\d[\d\s,]{{0,80}})\.?")
MAX_ANSWER_LENGTH = 8_000
"""Characters; a message cannot be longer."""


@dataclass(slots=True)
class Attempt:
    """``written``: text of the current step; ``shown``: text that has passed the gate, of all steps. ``questions``:
    set if there are several; ``missing``: numbers of those that the model declined. ``repaired``: this is the second
    attempt."""

    prompt: Prompt
    gate: Gate
    calls: ActionCalls
    canary: Canary
    usage: Usage = field(default_factory=Usage)
    written: str = ""
    shown: str = ""
    questions: Sequence[QuestionPart] = ()
    missing: set[int] = field(default_factory=set)
    repaired: bool = False

    @property
    def declined(self) -> bool:
        return self.written.strip() == NOT_FOUND


class StreamedStep:
    """Passes one request's text to the contact, sentence by sentence, each after the gate.

    When actions may be called, a sentence without a source is held back: "Let me look that up." is dropped when a call
    follows, and checked by the gate when none does. A refusal is held back until its reason follows, because it is no
    answer alone.
    """

    def __init__(self, attempt: Attempt, emit: Callable[[str], Awaitable[None]]) -> None:
        self._attempt = attempt
        self._emit = emit
        self._sentences = SentenceSplitter()
        self._held: list[str] = []
        self._unsent = ""
        self._first = True
        attempt.written = ""

    async def add(self, piece: str) -> None:
        self._attempt.written += piece
        if len(self._attempt.written) > MAX_ANSWER_LENGTH:
            raise AttemptFailed(f"the answer is longer than {MAX_ANSWER_LENGTH} characters")
        self._attempt.canary.watch(piece)
        for sentence in self._sentences.add(piece):
            await self._hold_or_show(sentence)
        if self._sentences.pending_length > 2 * MAX_SENTENCE_LENGTH:
            raise Ungrounded(f"a sentence is longer than {MAX_SENTENCE_LENGTH} characters")

    async def end(self, output: ModelOutput) -> None:
        """The text is complete. Raises AttemptFailed when there is neither text nor a call."""
        for call in output.calls:
            self._attempt.canary.watch(call.arguments)
        rest = self._sentences.flush()
        if output.calls:
            return
        if not self._attempt.written.strip():
            raise AttemptFailed("empty answer")
        if not self._attempt.declined:
            for sentence in [*self._held, *rest]:
                await self._show(sentence)

    async def _hold_or_show(self, sentence: str) -> None:
        self._held.append(sentence)
        if not self._attempt.prompt.offers or CITATION_MARK.search(sentence):
            held, self._held = self._held, []
            for one in held:
                await self._show(one)

    async def _show(self, sentence: str) -> None:
        if self._attempt.questions and (declined := _MISSING.fullmatch(sentence.strip())):
            self._attempt.missing |= {int(number) for number in _NUMBER.findall(declined[1])}
            return
        admitted = self._attempt.gate.admit(sentence)
        if not self._attempt.shown:
            admitted = admitted.lstrip()
        elif self._first:
            admitted = f" {admitted.lstrip()}"
        self._first = False
        self._attempt.shown += admitted
        self._unsent += admitted
        if not self._attempt.gate.only_refuses:
            unsent, self._unsent = self._unsent, ""
            await self._emit(unsent)
