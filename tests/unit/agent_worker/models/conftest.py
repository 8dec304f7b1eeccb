"""A remote model over a real socket to the loopback provider, and what it shows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pytest

from agent_worker.models.local.model import LocalModel
from agent_worker.models.providers.anthropic import anthropic_provider
from agent_worker.models.providers.conversion import PydanticProvider
from agent_worker.models.providers.google import google_provider
from agent_worker.models.providers.openai import openai_provider
from agent_worker.models.providers.provider import ModelLimits, Prices
from agent_worker.models.providers.remote_model import ModelDependencies, RemoteModel
from agent_worker.models.registry import FallbackRule, Models
from agent_worker.settings import TenantRules, WorkerSettings
from agent_worker.voice import Voice
from schemas.ports import AnswerDraft, Model, Passage, Question, SearchResult
from tests.simulators.models.server import ModelServer

TENANT = "plantstore"
HEAT = "In winter we add a heat pack to every parcel with tropical plants for 4.50 euro."
TIMES = "Parcels leave our nursery on Mondays and Tuesdays and arrive within two working days."
SETTINGS = WorkerSettings(tenants={TENANT: TenantRules(voice=Voice(name="Fern", not_found="Not in our documents."))})


def passage(text: str, *, document: str = "shipping", title: str = "Shipping", heading: str = "Winter") -> Passage:
    return Passage(
        tenant=TENANT, document=document, version=3, title=title, heading=heading, url="", text=text, score=0.9
    )


PASSAGES = [passage(HEAT), passage(TIMES, heading="Times")]


def question(text: str, passages: list[Passage] | None = None, confidence: float = 0.9) -> Question:
    found = SearchResult(
        PASSAGES if passages is None else passages,
        answerable=confidence >= 0.5,
        confidence=confidence,
        suggestable=confidence >= 0.15,
    )
    return Question(tenant=TENANT, text=text, history=[], search_result=found)


ALONE = ModelDependencies()
Provider = Literal["openai", "anthropic", "google"]


@dataclass
class LadderClient:
    """Asks the ladder. ``shown`` is what the contact sees now, ``takebacks`` how often something was taken back."""

    server: ModelServer
    models: Models
    shown: str = ""
    deltas: list[str] = field(default_factory=list)
    takebacks: int = 0
    failed: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(
        self, text: str, passages: list[Passage] | None = None, confidence: float = 0.9, **more: Any
    ) -> AnswerDraft:
        asked = replace(question(text, passages, confidence), **more)
        return await self.models.answer("remote", asked, self.emit, self.restart)

    async def emit(self, sentence: str) -> None:
        self.deltas.append(sentence)
        self.shown += sentence
        self.news.set()

    async def has_shown(self, deltas: int) -> None:
        async with asyncio.timeout(30):
            while len(self.deltas) < deltas:
                self.news.clear()
                await self.news.wait()

    async def restart(self) -> None:
        self.takebacks += bool(self.shown)
        self.shown = ""


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with ModelServer().serving() as running:
        yield running


def source_of(server: ModelServer, provider: Provider = "openai", timeout: float = 30) -> PydanticProvider:
    if provider == "anthropic":
        return anthropic_provider(model="claude-x", base_url=server.origin, api_key="sk-test", timeout=timeout)
    if provider == "google":
        return google_provider(model="gemini-x", base_url=server.origin, api_key="sk-test", timeout=timeout)
    return openai_provider(model="adapter-7", base_url=server.base_url, api_key="sk-test", timeout=timeout)


def asker_of(
    server: ModelServer,
    *,
    provider: Provider = "openai",
    timeout: float = 30,
    silence: float = 30,
    standing: FallbackRule | None = None,
    settings: WorkerSettings = SETTINGS,
    dependencies: ModelDependencies = ALONE,
    more: Mapping[str, Model] | None = None,
    **terms: Any,
) -> LadderClient:
    """``standing``: of the remote model on the ladder; ``more``: other models by name; ``terms``: more of its terms."""
    usual = ModelLimits(timeout=timeout, silence=silence, context=8_000, output=500, prices=Prices(2.0, 10.0))
    agreed = replace(usual, **terms)
    remote = RemoteModel("remote", source_of(server, provider, timeout), settings, agreed, dependencies)
    failed: list[str] = []
    models = Models(
        {"local": LocalModel(settings), "remote": remote, **(more or {})},
        failed=failed.append,
        fallback_rules={"remote": standing or FallbackRule()},
        settings=settings,
    )
    return LadderClient(server, models, failed=failed)


Asking = Callable[..., LadderClient]


@pytest.fixture
async def asking(server: ModelServer) -> AsyncIterator[Asking]:
    """Makes askers of the server, with what ``asker_of`` takes, and closes them."""
    made: list[LadderClient] = []

    def make(**wanted: Any) -> LadderClient:
        made.append(asker_of(server, **wanted))
        return made[-1]

    yield make
    for each in made:
        await each.models.close()


@pytest.fixture
def asker(asking: Asking) -> LadderClient:
    """Patient: whatever fails does so for another reason than a slow machine."""
    return asking()
