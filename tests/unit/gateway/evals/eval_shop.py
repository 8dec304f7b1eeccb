"""A shop with a suite, whose agent can be given faults."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from agent_worker.learning.evals.answers import ObservedConversation
from agent_worker.learning.evals.evaluation import SuiteRun, evaluate_suite
from agent_worker.learning.evals.results import RunResult
from agent_worker.learning.evals.suite import Case, Suite
from agent_worker.models.local.model import LocalModel
from agent_worker.models.registry import Emit
from gateway.config.loader import load
from gateway.config.settings import Config
from gateway.evals.suite_files import read_suite
from gateway.evals.trial_conversations import TrialRunner
from gateway.replay.candidate_documents import read_configured_documents
from gateway.wiring.evals import open_trial_runner
from schemas.ports import AnswerDraft, Question
from tests.unit.agent_worker.worker_environment import Clock

CONFIG = """
secret_key: test-secret-key-of-32-characters!
admin_token: test-admin-token-of-32-characters
encoder: light
tenants:
  shop:
    name: Shop
    voice: {name: Fern, not_found: Not in our documents., handoff: A colleague comes.}
    knowledge: {paths: [knowledge]}
    actions: {sources: [actions.py]}
    channels: {web: {main: {}}}
"""
DOCUMENTS = {
    "shipping": """# Shipping

## Winter

In winter we add a heat pack to every parcel with tropical plants for 4.50 euro. Prices include VAT.
""",
    "returns": """# Returns

## Deadline

You can return dry goods such as pots within 30 days of delivery.
""",
    "damage": """# Damage

## Broken pots

We replace pots that arrived broken if you send a photo to https://shop.example/broken within 3 days.
""",
    "versand": """---
language: de
---
# Versand

## Dauer

Pakete innerhalb von Deutschland sind nach zwei Werktagen beim Kunden, in die Schweiz dauert der Versand fünf Tage.
""",
}
ACTIONS = '''
from decimal import Decimal

from pydantic import BaseModel, Field

from agent_worker.actions import ActionContext, action


class OrderNumber(BaseModel):
    order: str = Field(pattern=r"^A-\\d{4}$", title="Order number")


class Refund(OrderNumber):
    amount: Decimal = Field(title="Amount", ge=0, json_schema_extra={"currency": "EUR"})


class Status(BaseModel):
    status: str


class Refunded(BaseModel):
    refunded: str


@action(risk="read", needs="anonymous", examples=["Where is my order?", "where is my order A-1001?"],
        report=lambda context, arguments, result: f"Order {arguments.order} is {result.status}.")
async def order_status(context: ActionContext, arguments: OrderNumber) -> Status:
    """The status of an order."""
    raise AssertionError("a suite performs no action")


@action(risk="write", needs="anonymous", examples=["I want my money back for A-1001, 20 euro", "refund"],
        report=lambda context, arguments, result: f"{result.refunded} euro are on their way to you.")
async def refund(context: ActionContext, arguments: Refund) -> Refunded:
    """Pay money back."""
    raise AssertionError("a suite performs no action")
'''
SUITE = """
expect:
  must_not_contain: [guaranteed, "@"]
  length: {max_words: 90}

cases:
  - name: price
    message: How much is a heat pack in winter?
    expect:
      cites: shipping
      contains: 4.50 euro
      disclaimer: Prices include VAT.
      closing: Kind regards, Fern
      asks: false
      hands_over: false
      declines: false
      action: []

  - name: deadline
    message: Within how many days can I return pots?
    expect: {cites: returns, contains: [[30 days, thirty days]]}

  - name: German
    message: Wie lange dauert der Versand in die Schweiz?
    locale: de
    expect: {language: same, contains: [[fünf, 5]]}

  - name: structure
    message: My pots arrived broken, what can I do?
    expect:
      structure: [acknowledge, restate, explain, link, propose, confirm, sign_off]
      length: {min_sentences: 7, max_sentences: 7}

  - name: unknown
    message: Do you sell spaceships?
    expect: {declines: true}

  - name: person
    message: I want to speak to a human
    expect: {hands_over: true}

  - name: which order
    message: Where is my order?
    expect: {asks: true, action: []}

  - name: status
    message: where is my order A-1001?
    actions: [{name: order_status, arguments: {order: A-1001}, result: {status: on its way}},
              {name: order_status, result: {status: lost}}]
    expect: {action: {name: order_status, arguments: {order: A-1001}}, contains: on its way}

  - name: refund
    actions: [{name: refund, result: {refunded: "20"}}, {name: order_status, result: {status: on its way}}]
    turns:
      - message: I want my money back for A-1001, 20 euro
        expect: {asks: true, action: []}
      - picks: "yes"
        expect:
          action: {name: refund, arguments: {order: A-1001, amount: 20}}
          contains: 20 euro
"""
Fault = Callable[[Question, AnswerDraft], AnswerDraft]
SEVEN = (
    "Thank you for writing to us. It is annoying that pots arrived broken. {quote} You find the form at "
    "https://shop.example/broken. You can send us a photo there. Does that help you? Kind regards, Fern."
)


@dataclass
class Faults:
    """What is wrong with the agent. ``draft``: with its answers; ``question``: with what it reads."""

    draft: Fault = lambda _question, draft: draft
    question: Callable[[str], str] = str


@dataclass
class EvalShop:
    config: Config
    suite: Suite
    runner: TrialRunner
    faults: Faults
    clock: Clock = field(default_factory=Clock)
    number: int = 0

    async def evaluate(self, setup: str = "agent") -> RunResult:
        self.number += 1
        run = SuiteRun(self.suite, "suite", "shop", setup, self.clock())

        async def hold(case: Case) -> ObservedConversation:
            return await self.runner.hold(case, f"{self.number}-{case.name}")

        return await evaluate_suite(run, hold)


def install(folder: Path) -> Path:
    """The files of the shop. Returns its configuration."""
    (folder / "knowledge").mkdir(parents=True)
    for name, text in DOCUMENTS.items():
        (folder / "knowledge" / f"{name}.md").write_text(text)
    (folder / "actions.py").write_text(ACTIONS)
    (folder / "evals.yaml").write_text(SUITE)
    (folder / "parley.yaml").write_text(CONFIG)
    return folder / "parley.yaml"


@asynccontextmanager
async def open_eval_shop(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[EvalShop]:
    config, faults = load(install(folder)), Faults()
    _plant(faults, monkeypatch)
    scratch = folder / "scratch"
    scratch.mkdir()
    documents = await read_configured_documents(config, "shop", scratch)
    async with open_trial_runner(config, "shop", documents, ["web"], scratch) as runner:
        yield EvalShop(config, read_suite(folder / "evals.yaml"), runner, faults)


def _plant(faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the built-in model write as a careful agent does, and then make the fault."""
    answer = LocalModel.answer

    async def answer_with_fault(model: LocalModel, question: Question, emit: Emit) -> AnswerDraft:
        draft = await answer(model, replace(question, text=faults.question(question.text)), emit)
        return faults.draft(question, _write_carefully(question, draft))

    monkeypatch.setattr(LocalModel, "answer", answer_with_fault)


def _write_carefully(question: Question, draft: AnswerDraft) -> AnswerDraft:
    if not draft.citations:
        return draft
    if "broken" in question.text:
        return replace(draft, text=SEVEN.format(quote=draft.citations[0].quote))
    return replace(draft, text=f"{draft.text}\n\nKind regards, Fern")
