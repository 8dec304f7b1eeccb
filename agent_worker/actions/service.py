"""What lives as long as the worker: it makes an ``Acting`` for each turn of a tenant that has actions."""

from __future__ import annotations

import aiohttp

from agent_worker.actions.context import Identity, identity_of
from agent_worker.actions.execution.executor import Executor
from agent_worker.actions.execution.scope import Scope
from agent_worker.actions.execution.turn_actions import Acting
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

    def acting(self, scope: Scope) -> Acting:
        async def known(contact: str) -> Identity:
            # What was proven in this very turn counts at once.
            return await self._identity(scope.conversation, contact, acting.effects.memory)

        acting = Acting(scope, self.executor, self._state.journal, known, self._clock)
        return acting

    def http(self) -> aiohttp.ClientSession:
        """One for all actions, made when the first one needs it. Cookies of one contact never reach another."""
        if self._http is None or self._http.closed:
            connector = aiohttp.TCPConnector(limit=CONNECTIONS)
            self._http = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._http

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()

    async def assurance(self, conversation: Conversation, contact: str) -> Assurance:
        """How sure we are of who speaks; not at all where several do, and ``contact`` is empty."""
        memory = conversation.facts.actions or ActionMemory()
        return (await self._identity(conversation, contact, memory)).assurance if contact else "anonymous"

    async def _identity(self, conversation: Conversation, contact: str, memory: ActionMemory) -> Identity:
        known = await self._state.contacts.get(conversation.origin.tenant, contact)
        return identity_of(known, contact, conversation.origin, memory.proofs, self._clock())
