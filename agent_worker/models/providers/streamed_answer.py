"""One answer while a model writes it: what was written, what of it was shown, and what it cost."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from agent_worker.grounding.failures import AttemptFailed, Ungrounded
from agent_worker.grounding.gate import LONGEST, Gate
from agent_worker.grounding.sentence_stream import MARK, Sentences
from agent_worker.models.action_calls import Calls
from agent_worker.models.prompt import NOT_FOUND, Canary
from agent_worker.models.providers.provider import Usage
from agent_worker.models.request import Prompt, Wrote
from schemas.ports import Part

_NUMBER = re.compile(r"\d+")
_MISSING = re.compile(rf"{NOT_FOUND}\s?:\s?(\d[\d\s,]{{0,80}})\.?")
LONGEST_ANSWER = 8_000
"""Characters of an answer; a message holds no more."""


@dataclass(slots=True)
class Attempt:
    """``written``: by the model in its present step; ``shown``: to the contact, of all steps. ``asked``: the questions,
    where there are several; ``missing``: numbers of those that the model says have no answer. ``repaired``: it is
    written for the second time."""

    prompt: Prompt
    gate: Gate
    calls: Calls
    canary: Canary
    usage: Usage = field(default_factory=Usage)
    written: str = ""
    shown: str = ""
    asked: Sequence[Part] = ()
    missing: set[int] = field(default_factory=set)
    repaired: bool = False

    @property
    def declined(self) -> bool:
        return self.written.strip() == NOT_FOUND


class Step:
    """One request's text on its way to the contact, by whole sentences, each only once it has passed.

    Where actions may be called, a sentence without a source waits for what follows: "Let me look that up." is dropped
    when a call comes after it, and judged when none does."""

    def __init__(self, attempt: Attempt, emit: Callable[[str], Awaitable[None]]) -> None:
        self._attempt = attempt
        self._emit = emit
        self._sentences = Sentences()
        self._waiting: list[str] = []
        self._first = True
        attempt.written = ""

    async def add(self, piece: str) -> None:
        self._attempt.written += piece
        if len(self._attempt.written) > LONGEST_ANSWER:
            raise AttemptFailed(f"the answer is longer than {LONGEST_ANSWER} characters")
        self._attempt.canary.watch(piece)
        for sentence in self._sentences.add(piece):
            await self._take(sentence)
        if self._sentences.held > 2 * LONGEST:
            raise Ungrounded(f"a sentence is longer than {LONGEST} characters")

    async def end(self, wrote: Wrote) -> None:
        """The text is complete; raises AttemptFailed when it says nothing, and calls nothing."""
        for call in wrote.calls:
            self._attempt.canary.watch(call.arguments)
        rest = self._sentences.rest()
        if wrote.calls:
            return
        if not self._attempt.written.strip():
            raise AttemptFailed("empty answer")
        if not self._attempt.declined:
            for sentence in [*self._waiting, *rest]:
                await self._show(sentence)

    async def _take(self, sentence: str) -> None:
        self._waiting.append(sentence)
        if not self._attempt.prompt.offers or MARK.search(sentence):
            waiting, self._waiting = self._waiting, []
            for one in waiting:
                await self._show(one)

    async def _show(self, sentence: str) -> None:
        if self._attempt.asked and (named := _MISSING.fullmatch(sentence.strip())):
            self._attempt.missing |= {int(number) for number in _NUMBER.findall(named[1])}
            return
        admitted = self._attempt.gate.admit(sentence)
        if not self._attempt.shown:
            admitted = admitted.lstrip()
        elif self._first:
            admitted = f" {admitted.lstrip()}"
        self._first = False
        self._attempt.shown += admitted
        await self._emit(admitted)
