"""The facts about one turn that its actions need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from agent_worker.settings import ActionRules
from agent_worker.turn.envelopes import TurnEnvelopes
from agent_worker.voice import Voice
from schemas.conversation import Conversation

Seal = Callable[[], Awaitable[None]]
"""Awaited before the first irreversible step. Ends the turn if messages have arrived that it has to read first; later
arrivals wait for the next turn."""


@dataclass(frozen=True, slots=True)
class ActionScope:
    """``authority``: the earliest event of the turn, which permits actions that need no confirmation. ``speaker``: the
    contact whose messages are answered, empty when there are several or none; ``locale``: the contact's; ``words``:
    those messages; ``earlier``: previous messages of contacts; ``asks_by_itself``:
    they ask something that needs nothing said before it."""

    turn_id: str
    conversation: Conversation
    token: int
    chain: TurnEnvelopes
    rules: ActionRules
    voice: Voice
    authority: str
    speaker: str
    locale: str
    seal: Seal
    words: str = ""
    earlier: Sequence[str] = ()
    asks_by_itself: bool = False

    @property
    def tenant(self) -> str:
        return self.conversation.origin.tenant
