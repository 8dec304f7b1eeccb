"""What one turn knows when it acts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from agent_worker.phrases import Voice
from agent_worker.settings import ActionRules
from agent_worker.turn.envelopes import Chain
from schemas.conversation import Conversation

Seal = Callable[[], Awaitable[None]]
"""To be awaited before the first thing that cannot be taken back. Ends the turn when messages have arrived that it must
read first; from then on arrivals wait for the next turn."""


@dataclass(frozen=True, slots=True)
class Scope:
    """``authority``: the earliest event of the turn, which allows what needs no other yes. ``speaker``: the contact
    whose messages are answered, empty when there are several or none; ``locale``: what they write in; ``words``: those
    messages, ``earlier``: what contacts have written before."""

    turn_id: str
    conversation: Conversation
    token: int
    chain: Chain
    rules: ActionRules
    voice: Voice
    authority: str
    speaker: str
    locale: str
    seal: Seal
    words: str = ""
    earlier: Sequence[str] = ()

    @property
    def tenant(self) -> str:
        return self.conversation.origin.tenant
