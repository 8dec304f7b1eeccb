"""The worker's long-lived action service. It creates the TurnActions for each turn of a tenant that has actions."""

from __future__ import annotations

import aiohttp

from agent_worker.actions.context import Identity, resolve_identity
from agent_worker.actions.execution.executor import Executor
from agent_worker.actions.execution.scope import ActionScope
from agent_worker.actions.execution.turn_actions import TurnActions
from agent_worker.learning.turn_recorder import note_contact
from schemas.actions import ActionMemory
from schemas.conversation import Conversation
from schemas.messages import Assurance
from schemas.ports import Bus, Clock, State

CONNECTIONS = 100


class ActionService:
    def __init__(self, *, bus: Bus, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._http: aiohttp.ClientSession | None = None
        self.executor = Executor(bus=bus, journal=state.journal, limiter=state.limiter, clock=clock, http=self.http)

    def start_turn(self, scope: ActionScope) -> TurnActions:
        async def load_identity(contact: str) -> Identity:
            # Proofs from this turn count immediately.
            return await self._identity(scope.conversation, contact, actions.effects.memory)

        actions = TurnActions(scope, self.executor, self._state.journal, load_identity, self._clock)
        return actions

    def http(self) -> aiohttp.ClientSession:
        """One session for all actions, opened when first needed, without cookies so that contacts share nothing."""
        if self._http is None or self._http.closed:
            connector = aiohttp.TCPConnector(limit=CONNECTIONS)
            self._http = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._http

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()

    async def assurance(self, conversation: Conversation, contact: str) -> Assurance:
        """The assurance of the contact's identity; anonymous when ``contact`` is empty because several people wrote."""
        memory = conversation.facts.actions or ActionMemory()
        return (await self._identity(conversation, contact, memory)).assurance if contact else "anonymous"

    async def _identity(self, conversation: Conversation, contact: str, memory: ActionMemory) -> Identity:
        stored = await self._state.contacts.get(conversation.origin.tenant, contact)
        note_contact(stored, conversation.origin)
        return resolve_identity(stored, contact, conversation.origin, memory.proofs, self._clock())
