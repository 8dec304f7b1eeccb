"""The places where a function may import: everywhere else imports stand at the top of the module."""

from __future__ import annotations

from fnmatch import fnmatchcase

from tests.harness.source_tree import FunctionImport

PLACES = {
    "gateway/commands/*.py": "each command imports what it runs, so that the others start quickly",
    "connectors/*/channel.py": "the vendor's library comes with the connection, which only senders open",
    "connectors/slack/desk/desk.py": "the vendor's library comes with the connection, which few processes open",
    "connectors/whatsapp/*/provider.py": "the vendor's library comes with the connection, which only senders open",
    "gateway/wiring/engines.py": "only the configured bus and store are imported",
    "gateway/wiring/models/providers.py": "only the configured providers are imported",
    "gateway/wiring/models/transcription.py": "only the configured transcribers are imported",
    "gateway/wiring/routing.py": "few processes learn intents",
    "gateway/console/pages/openid_sign_in.py": "Authlib is an extra",
    "gateway/doctor/checks.py": "reports which extra is missing",
    "agent_worker/actions/parsing/date_languages.py": "only workers need it, and its import takes long",
    "agent_worker/knowledge/vectors/*encoder.py": "the encoders' libraries are extras",
    "agent_worker/knowledge/text/html.py": "few processes read web pages, and the parsers are large",
    "agent_worker/sources/notion/source.py": "Notion's client is an extra",
    "agent_worker/sources/drive/source.py": "google-auth is an extra",
    "agent_worker/sources/captions.py": "webvtt-py is an extra",
    "agent_worker/sources/pdf.py": "pdfium is an extra",
    "agent_worker/sources/web_page.py": "trafilatura is an extra",
    "agent_worker/sources/word.py": "mammoth is an extra",
    "agent_worker/sources/youtube/source.py": "youtube-transcript-api is an extra, and few sources may use it",
    "agent_worker/isolated_process.py": "not every system has limits",
    "agent_worker/media/media_process.py": "the libraries are extras, and either may be missing",
    "infra/tracing.py": "OpenTelemetry is an extra",
    "infra/deploy/local_kafka.py": "a launcher that only fetches Kafka needs no client",
}
"""File pattern → reason."""


def is_allowed(found: FunctionImport) -> bool:
    return any(fnmatchcase(found.path, pattern) for pattern in PLACES)
