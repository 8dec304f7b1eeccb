"""Training examples from the log, streamed as JSON lines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

import orjson
from aiohttp import web

from agent_worker.learning.finetune.prompt_reader import PromptReader, TargetModel
from agent_worker.models.prompt import derive_canary
from gateway.admin.learning.conversation_export import BuildLines, ConversationExport
from gateway.config.models import ModelEntry
from gateway.config.settings import Config
from gateway.finetune.contact_names import ContactNames
from gateway.finetune.example_builder import FINETUNE_TYPES, ExampleBuilder, ExampleContext
from gateway.http.query_times import parse_instant, parse_start
from gateway.training_export.conversation_grouping import ConversationEvent, ConversationGrouping
from gateway.wiring.consumers import build_worker_settings
from gateway.wiring.engines import channels_of
from gateway.wiring.models.providers import build_limits, models_of
from gateway.wiring.process_services import ProcessServices
from schemas import topics
from schemas.errors import Unavailable

_WITHOUT_MODEL = ModelEntry(provider="openai", model="model", base_url="http://127.0.0.1/v1")
"""Stands for the model to be trained, where the tenant has none yet."""


class FinetuneExampleApi:
    def __init__(self, services: ProcessServices) -> None:
        self._services = services
        self._export = ConversationExport(services)

    async def export(self, request: web.Request) -> web.StreamResponse:
        """Write an example for each answer that somebody judged, in conversations that were last answered since
        ``?since``. Those that cannot be used have a problem and no text. Raises InvalidRequest, BusUnavailable,
        Unavailable."""
        tenant, services = request.match_info["tenant"], self._services
        since = parse_start("since", request.query.get("since", ""), services.clock())
        until = parse_instant("until", request.query.get("until", ""))
        if services.knowledge is None:
            raise Unavailable("this process does not search documents")
        documents = await services.knowledge.documents(tenant)

        async def prepare(grouping: ConversationGrouping) -> BuildLines:
            context = ExampleContext(
                tenant=tenant,
                prompts=_build_prompt_reader(services.config, tenant),
                documents={document.id: document for document in documents},
                names=await grouping.run_in_thread(_read_names, grouping),
                find_passages=grouping.find_passages,
                own=services.config.tenants[tenant].protection.own_number_finder,
            )
            return partial(_build_lines, context)

        channels = channels_of(services.config)
        return await self._export.stream(
            request,
            sources=[*map(topics.inbound, channels), *map(topics.outbound, channels), topics.EVENTS],
            types=FINETUNE_TYPES,
            period=(since, until),
            prepare=prepare,
        )


def _read_names(grouping: ConversationGrouping) -> ContactNames:
    names = ContactNames()
    for _, events in grouping.conversations(None, None):
        names.note(events)
    return names


def _build_lines(
    context: ExampleContext, conversation: str, events: Sequence[ConversationEvent], names: Sequence[str]
) -> bytes:
    """The examples of a conversation. Requests are built by the code of a turn, which is asynchronous; it waits for
    nothing, and in this thread it keeps no customer waiting."""
    examples = asyncio.run(ExampleBuilder(context, conversation, events, names).build())
    return b"".join(orjson.dumps(example.model_dump(mode="json")) + b"\n" for example in examples)


def _build_prompt_reader(config: Config, tenant: str) -> PromptReader:
    """The reader of a tenant's requests."""
    secret = config.secret_key.get_secret_value()
    section = config.tenants[tenant]
    settings = build_worker_settings({tenant: section}, {}, secret)
    return PromptReader(tenant, settings, _find_target(config, models_of(section)[0], derive_canary(secret, tenant)))


def _find_target(config: Config, default: str, canary: str) -> Callable[[str], TargetModel]:
    def find(name: str) -> TargetModel:
        names = [each for each in (name, default) if (entry := config.models.get(each)) and entry.provider != "local"]
        entry = config.models[names[0]] if names else _WITHOUT_MODEL
        limits = build_limits(entry)
        return TargetModel(names[0] if names else "model", f"{entry.provider}/{entry.model}", limits, canary)

    return find
