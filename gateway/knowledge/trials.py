"""Answers with and without a change to a document, before it is published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from agent_worker.models.local.model import LocalModel
from agent_worker.reading.message_reading import discard, read_message
from gateway.config.actions import ActionSettings
from gateway.knowledge.editor import DocumentEditor
from gateway.wiring.consumers import build_worker_settings
from gateway.wiring.process_services import ProcessServices
from schemas.messages import Assurance, Citation
from schemas.ports import AnswerDraft, DocumentDraft, SearchResult, TrialSearch


@dataclass(frozen=True, slots=True)
class TrialAnswer:
    """An answer as the tenant's customer would get it. ``offers``: sections that are offered instead of an answer."""

    text: str
    citations: Sequence[Citation]
    offers: Sequence[str]
    is_answered: bool
    confidence: float


@dataclass(frozen=True, slots=True)
class Trial:
    """The answers at present and with the change."""

    before: TrialAnswer
    after: TrialAnswer

    @property
    def is_same(self) -> bool:
        """Whether the customer would notice no difference."""
        return (self.before.text, self.before.offers) == (self.after.text, self.after.offers)


class DocumentTrials:
    """Answers questions with the built-in model. A model of another vendor words its answers itself, from the same
    passages. Nothing is stored, sent or counted."""

    def __init__(self, services: ProcessServices) -> None:
        self._services = services
        self._editor = DocumentEditor(services)
        # Without actions: they are a tenant's code, which only workers run.
        tenants = {
            name: each.model_copy(update={"actions": ActionSettings()})
            for name, each in services.config.tenants.items()
        }
        self._settings = build_worker_settings(tenants, services.channels, services.secret_key.get_secret_value())
        self._model = LocalModel(self._settings, clock=services.clock)

    async def ask(self, tenant: str, draft: DocumentDraft, question: str, assurance: Assurance) -> Trial:
        """Answer a question as things are, and as if ``draft`` were published. Takes about as long as copying the
        tenant's index."""
        document = replace(draft, proposal=None).build_document(0, self._services.clock())
        before = await self._answer(tenant, question, partial(self._search, tenant, assurance))
        async with self._editor.knowledge.open_trial(tenant, document, assurance) as search:
            return Trial(before, await self._answer(tenant, question, search))

    async def _search(self, tenant: str, assurance: Assurance, query: str, language: str) -> SearchResult:
        return await self._editor.knowledge.search(tenant, query, assurance=assurance, language=language)

    async def _answer(self, tenant: str, text: str, search: TrialSearch) -> TrialAnswer:
        question = await read_message(tenant, text, [], self._settings.of(tenant).voice.locale, search)
        return _describe(await self._model.answer(question, discard), question.search_result)


def _describe(draft: AnswerDraft, found: SearchResult) -> TrialAnswer:
    offers = [choice.label for choice in draft.choices]
    return TrialAnswer(draft.text, draft.citations, offers, bool(draft.citations), found.confidence)
