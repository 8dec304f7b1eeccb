"""A remote model over a real socket to the loopback provider, and what it shows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from agent_worker.models.local import LocalModel
from agent_worker.models.openai import OpenAISource
from agent_worker.models.registry import Models
from agent_worker.models.remote import Prices, RemoteModel, Terms
from agent_worker.settings import TenantRules, Voice, WorkerSettings
from schemas.ports import Draft, Found, Passage, Question
from tests.platforms.models.server import ModelServer

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
    found = Found(PASSAGES if passages is None else passages, answerable=confidence >= 0.5, confidence=confidence)
    return Question(tenant=TENANT, text=text, history=[], found=found)


@dataclass
class Asker:
    """Asks the ladder. ``shown`` is what the contact sees now, ``takebacks`` how often something was taken back."""

    server: ModelServer
    models: Models
    shown: str = ""
    deltas: list[str] = field(default_factory=list)
    takebacks: int = 0
    failed: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, text: str, passages: list[Passage] | None = None, confidence: float = 0.9) -> Draft:
        return await self.models.answer("remote", question(text, passages, confidence), self.emit, self.restart)

    async def emit(self, sentence: str) -> None:
        self.deltas.append(sentence)
        self.shown += sentence
        self.news.set()

    async def has_shown(self, deltas: int) -> None:
        async with asyncio.timeout(5):
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


def asker_of(server: ModelServer, *, timeout: float = 30, silence: float = 30) -> Asker:
    source = OpenAISource(model="adapter-7", base_url=server.base_url, api_key="sk-test", timeout=timeout)
    terms = Terms(timeout=timeout, silence=silence, context=8_000, output=500, prices=Prices(2.0, 10.0))
    remote = RemoteModel("remote", source, SETTINGS, terms)
    failed: list[str] = []
    models = Models({"local": LocalModel(SETTINGS), "remote": remote}, failed=failed.append)
    return Asker(server, models, failed=failed)


@pytest.fixture
async def asker(server: ModelServer) -> AsyncIterator[Asker]:
    """Patient: whatever fails does so for another reason than a slow machine."""
    patient = asker_of(server)
    yield patient
    await patient.models.close()
