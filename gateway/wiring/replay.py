"""The parts of a replay: an index of the documents in a temporary folder, and the models and rules to try. There is no
log, no state store and no channel among them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

from agent_worker.actions.parsing.date_languages import load_date_parser
from agent_worker.knowledge.library import Library
from agent_worker.knowledge.text.analysis import synonyms_of
from agent_worker.learning.recorded_services import RecordedBudget, read_picture
from agent_worker.learning.replay import ReplayEngine
from agent_worker.learning.replay_context import recorded_clock
from agent_worker.nlu.language_detection import load_language_model
from gateway.config.settings import Config
from gateway.replay.document_log import DocumentLog
from gateway.wiring.consumers import build_worker_settings
from gateway.wiring.encoders import open_encoder
from gateway.wiring.models import open_models
from schemas.conversation import Document
from schemas.ports import Bus, KnowledgeHeads


@asynccontextmanager
async def open_replay_engine(
    config: Config, tenant: str, documents: Sequence[Document], scratch: Path
) -> AsyncIterator[ReplayEngine]:
    """The engine of a tenant's replays under this configuration. ``scratch``: a folder for the index."""
    section = config.tenants[tenant]
    encoder, _, _ = await asyncio.gather(
        asyncio.to_thread(open_encoder, config),
        asyncio.to_thread(load_language_model),
        asyncio.to_thread(load_date_parser),
    )
    log, synonyms = DocumentLog(tenant, documents), synonyms_of(section.knowledge.synonyms)
    library = Library(
        cast(Bus, log),
        cast(KnowledgeHeads, log),
        scratch / "knowledge",
        clock=recorded_clock,
        answerable_above=lambda _: section.knowledge.answerable_above,
        encoder=lambda: encoder,
        own_synonyms=lambda _: synonyms,
    )
    settings = build_worker_settings({tenant: section}, {}, config.secret_key.get_secret_value())
    models = open_models(
        config,
        settings,
        failed=lambda _: None,
        knowledge=library,
        read_file=read_picture,
        budget_lookup=RecordedBudget(),
    )
    await library.start()
    try:
        await library.wait_until_ready()
        yield ReplayEngine(tenant, library, models, settings)
    finally:
        await library.close()
        await models.close()
