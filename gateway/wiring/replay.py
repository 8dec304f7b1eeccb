"""The parts of a replay: an index of the documents in a temporary folder, and the models and rules to try. There is no
log, no state store and no channel among them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import cast

from agent_worker.knowledge.library import Library
from agent_worker.knowledge.text.analysis import synonyms_of
from agent_worker.knowledge.vectors.encoder import Encoder
from agent_worker.knowledge.vectors.encoder_cache import EncoderCache
from agent_worker.learning.recorded_services import RecordedBudget, read_picture
from agent_worker.learning.replay import ReplayEngine
from agent_worker.learning.replay_context import recorded_clock
from agent_worker.nlu.language_detection import load_language_model
from gateway.config.settings import Config, Tenant
from gateway.replay.document_log import DocumentLog
from gateway.wiring.consumers import build_worker_settings
from gateway.wiring.models.encoders import open_encoder
from gateway.wiring.models.providers import open_models
from gateway.wiring.routing import needs_training, train_model_of
from schemas.conversation import Document
from schemas.ports import Bus, Clock, KnowledgeHeads

VECTORS = Path("cache") / "vectors.db"
"""The file in ``data_dir`` with the vectors of passages, so that only the first replay computes all of them."""


@asynccontextmanager
async def open_replay_engine(
    config: Config, tenant: str, documents: Sequence[Document], scratch: Path
) -> AsyncIterator[ReplayEngine]:
    """The engine of a tenant's replays under this configuration. ``scratch``: a folder for the index."""
    async with open_library(config, tenant, documents, scratch, recorded_clock) as (library, section):
        secret_key = config.secret_key.get_secret_value()
        settings = build_worker_settings({tenant: section}, {}, secret_key, encrypts_log=config.encrypt_log)
        models = open_models(
            config,
            settings,
            failed=lambda _: None,
            knowledge=library,
            read_file=read_picture,
            budget_lookup=RecordedBudget(),
        )
        try:
            yield ReplayEngine(tenant, library, models, settings)
        finally:
            await models.close()


@asynccontextmanager
async def open_library(
    config: Config, tenant: str, documents: Sequence[Document], scratch: Path, clock: Clock
) -> AsyncIterator[tuple[Library, Tenant]]:
    """These documents, searchable, and the tenant's section with intents that are learned. ``scratch``: a folder for
    what is not to stay."""
    opened, _ = await asyncio.gather(asyncio.to_thread(open_encoder, config), asyncio.to_thread(load_language_model))
    with _open_cache(config, opened) as encoder:
        section = await asyncio.to_thread(_learn_intents, config, tenant, encoder, scratch)
        log, synonyms = DocumentLog(tenant, documents), synonyms_of(section.knowledge.synonyms)
        library = Library(
            cast(Bus, log),
            cast(KnowledgeHeads, log),
            scratch / "knowledge",
            clock=clock,
            answerable_above=lambda _: section.knowledge.answerable_above,
            encoder=lambda: encoder,
            own_synonyms=lambda _: synonyms,
        )
        await library.start()
        try:
            await library.wait_until_ready()
            yield library, section
        finally:
            await library.close()


@contextmanager
def _open_cache(config: Config, encoder: Encoder | None) -> Iterator[Encoder | None]:
    """The encoder; if it takes long, with a cache."""
    if encoder is None or encoder.kind != "strong":
        yield encoder
        return
    cached = EncoderCache(encoder, config.data_path / VECTORS)
    try:
        yield cached
    finally:
        cached.close()


def _learn_intents(config: Config, tenant: str, encoder: Encoder | None, scratch: Path) -> Tenant:
    """The tenant's section. If its intents are not learned yet, or a candidate has other examples, they are learned for
    this replay alone."""
    section = config.tenants[tenant]
    if section.routes is None or not needs_training(section, encoder):
        return section
    routes = section.routes.model_copy(update={"trained": str(scratch / "intents.npz")})
    section = section.model_copy(update={"routes": routes})
    train_model_of(section, encoder)
    return section
