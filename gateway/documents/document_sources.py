"""The sources of a tenant's documents: the configured ones, and those that a command names."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from gateway.config.knowledge import KnowledgeSettings
from gateway.config.settings import Config
from schemas.conversation import Visibility


@dataclass(frozen=True, slots=True)
class DocumentSource:
    """A file, folder, website or other location that documents are read from.

    ``label`` identifies the source in its documents. A path in it is relative to the configuration, so that it stays
    the same if the folder moves. ``visibility`` and ``language`` are for documents that do not set their own.
    ``sync_minutes``: how often the configuration wants it read; None: as often as its kind is."""

    location: str
    label: str
    visibility: Visibility = "public"
    language: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    sync_minutes: float | None = None

    @property
    def id(self) -> str:
        """A short name for addresses and metrics, such as ``notion-1a2b3c4d``."""
        scheme = self.location.partition("://")[0].lower() if "://" in self.location else "files"
        kind = "website" if scheme in ("http", "https") else scheme
        return f"{kind}-{hashlib.sha256(self.label.encode()).hexdigest()[:8]}"

    def contains(self, source: str) -> bool:
        """Whether a document with this label as its source belongs to this source."""
        return source == self.label or source.startswith(self.label.rstrip("/") + "/")


def configured_sources(config: Config, tenant: str) -> list[DocumentSource]:
    """All sources that are configured for a tenant."""
    knowledge = config.tenants[tenant].knowledge
    return [*path_sources(config, tenant), *_website_sources(knowledge), *_plugin_sources(config, knowledge)]


def path_sources(config: Config, tenant: str) -> list[DocumentSource]:
    """The configured files and folders."""
    return [DocumentSource(path, _label(config, path)) for path in config.tenants[tenant].knowledge.paths]


def _website_sources(knowledge: KnowledgeSettings) -> list[DocumentSource]:
    limits = ("depth", "pages", "megabytes", "minutes")
    return [
        DocumentSource(
            site.url,
            site.url,
            site.visibility,
            site.language,
            {name: getattr(site, name) for name in limits} | {"private_hosts": knowledge.private_hosts},
            site.sync_minutes,
        )
        for site in knowledge.websites
    ]


def _plugin_sources(config: Config, knowledge: KnowledgeSettings) -> list[DocumentSource]:
    return [
        DocumentSource(
            each.location,
            _label(config, each.location),
            each.visibility,
            each.language,
            {
                "private_hosts": knowledge.private_hosts,
                **{name: _reveal(value) for name, value in each.options.items()},
            },
            each.sync_minutes,
        )
        for each in knowledge.sources
    ]


def _reveal(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def select_sources(
    config: Config, tenant: str, locations: Sequence[str], fields: Mapping[str, Any], options: Mapping[str, Any]
) -> list[DocumentSource]:
    """The sources at the locations that a command names. Configured ones keep their settings, except for the given
    ``fields`` and ``options`` that are not None."""
    configured = {source.location: source for source in configured_sources(config, tenant)}
    hosts = {"private_hosts": config.tenants[tenant].knowledge.private_hosts}
    sources = []
    for text in locations:
        location = text if "://" in text else str(Path(text).expanduser().resolve())
        source = configured.get(location) or DocumentSource(location, _label(config, location), options=hosts)
        changed_fields = {name: value for name, value in fields.items() if value is not None}
        changed_options = {name: value for name, value in options.items() if value is not None}
        sources.append(replace(source, **changed_fields, options={**source.options, **changed_options}))
    return sources


def _label(config: Config, location: str) -> str:
    if "://" in location:
        return location
    path = Path(location)
    return os.path.relpath(path, config.folder) if path.is_relative_to(config.folder) else location
