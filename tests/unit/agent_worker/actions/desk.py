"""A counter at which a test talks with ``local``: the real dialogue, the example shop over HTTP, and a stand-in for
policy and confirmation that does at once what was agreed to."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.test_utils import TestServer
from pydantic import ValidationError

from agent_worker.actions import Action, ActionContext, ActionFailed, ActionRefused, ActionUnknown, Identity
from agent_worker.actions.registry import found
from agent_worker.models.local import LocalModel
from agent_worker.settings import TenantRules, WorkerSettings
from examples.plantstore.shop.api import OUTBOX, build_app
from schemas.actions import Filling, PendingCode
from schemas.messages import Address, Author, Choice, TranscriptMessage
from schemas.ports import ActionResult, Draft, Found, Offer, Passage, Question
from tests.unit.agent_worker.world import VOICE

MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
CARE = Passage("shop", "refunds", 1, "Refunds", "How long", "", "By card it takes 3 to 5 working days.", 0.9)
YES, NO = Choice(id="yes", label="Yes, do it"), Choice(id="no", label="No")


@dataclass
class Desk:
    """``proven``: addresses that are the contact's."""

    shop: str
    app: Any
    http: aiohttp.ClientSession
    proven: list[Address] = field(default_factory=list)
    locale: str = "en"
    now: datetime = MONDAY
    filling: Filling | None = None
    code: PendingCode | None = None
    pending: tuple[Action, Any] | None = None
    lines: list[TranscriptMessage] = field(default_factory=list)
    draft: Draft | None = None
    done: list[str] = field(default_factory=list)
    actions: Mapping[str, Action] = field(default_factory=lambda: found(["examples.plantstore.shop.actions"]))

    async def say(self, text: str) -> Draft:
        """What is answered."""
        if self.pending is not None and text in (YES.label, NO.label):
            draft = await self._confirmed(text == YES.label)
        else:
            self.pending = None
            draft = await self._answered(text)
        self._wrote("contact", text)
        self._wrote("agent", draft.text, draft.choices)
        self.draft = draft
        return draft

    @property
    def mailed_code(self) -> str:
        found = re.search(r"\d{6}", self.app[OUTBOX].mails()[-1]["text"])
        assert found is not None
        return found[0]

    async def _answered(self, text: str) -> Draft:
        clock = lambda: self.now  # noqa: E731
        model = LocalModel(WorkerSettings(tenants={"shop": TenantRules(voice=VOICE)}), clock=clock)
        about = "how long" in text.lower() or "wie lange" in text.lower()
        question = Question(
            tenant="shop",
            text=text,
            history=self.lines,
            found=Found([CARE] if about else [], about, 0.9 if about else 0.1),
            locale=self.locale,
            offers=[self._offer(action) for action in self.actions.values()],
            filling=self.filling,
        )
        draft = await model.answer(question, self._emit)
        self.filling = draft.filling
        return draft

    async def _emit(self, _sentence: str) -> None:
        """Nobody watches."""

    async def _confirmed(self, yes: bool) -> Draft:
        assert self.pending is not None
        (action, arguments), self.pending, self.filling = self.pending, None, None
        if not yes:
            return Draft(text="Then I will not.", answered=True)
        return Draft(text=(await self._run(action, arguments)).say, answered=True)

    def _offer(self, action: Action) -> Offer:
        async def call(given: Mapping[str, Any]) -> ActionResult:
            try:
                arguments = action.model.model_validate(dict(given))
            except ValidationError as error:
                return ActionResult(action.name, "refused", reason=error.errors()[0]["msg"])
            if action.needs == "verified" and not self.proven:
                return ActionResult(action.name, "refused", {"needs": "verified"}, "not verified")
            if action.confirm:
                self.pending = (action, arguments)
                shown = ", ".join(f"{name} {value}" for name, value in given.items())
                return ActionResult(action.name, "asked", say=f"{action.title}: {shown}?", choices=[YES, NO])
            return await self._run(action, arguments)

        schema = action.model.model_json_schema()
        return Offer(action.name, action.description, schema, action.risk, action.examples, call, action.title)

    async def _run(self, action: Action, arguments: Any) -> ActionResult:
        context = self._context(action)
        try:
            result = await action.run(context, arguments)
        except ActionRefused as error:
            return ActionResult(
                action.name, "refused", reason=error.reason, say=f"That is not possible. {error.reason}"
            )
        except (ActionFailed, ActionUnknown) as error:
            return ActionResult(action.name, "unknown", reason=error.reason, say=f"In doubt. {error.reason}")
        self.done.append(action.name)
        say = action.report(context, arguments, result) if action.report is not None else ""
        return ActionResult(action.name, "succeeded", result.model_dump(mode="json"), say=say)

    def _context(self, action: Action) -> ActionContext:
        return ActionContext(
            tenant="shop",
            conversation="conversation-1",
            contact=Identity("contact-1", "verified" if self.proven else "anonymous", tuple(self.proven)),
            key=f"key-{action.name}-{len(self.lines)}" if action.writes else "",
            deadline=self.now + timedelta(seconds=10),
            now=self.now,
            http=self.http,
            locale=self.filling.locale if self.filling is not None else self.locale,
            settings={"shop_url": self.shop},
            prove=self.proven.append,
            code=self.code,
            remember=self._remember,
        )

    def _remember(self, code: PendingCode | None) -> None:
        self.code = code

    def _wrote(self, who: Any, text: str, choices: list[Choice] | None = None) -> None:
        line = TranscriptMessage(
            id=f"m{len(self.lines)}", author=Author(kind=who), text=text, choices=choices or [], created_at=self.now
        )
        self.lines.append(line)


@asynccontextmanager
async def desk_at(folder: Path, *, customer: str = "", locale: str = "en") -> AsyncIterator[Desk]:
    """``customer``: the e-mail address that is proven from the start; empty when none is."""
    server = TestServer(build_app(folder, MONDAY.date))
    async with server, aiohttp.ClientSession() as http:
        proven = [Address(channel="email", value=customer, assurance="verified")] if customer else []
        yield Desk(str(server.make_url("/")).rstrip("/"), server.app, http, proven, locale)
