"""The sources of a tenant's documents: the configured ones, and those that a command names."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
    the same if the folder moves. ``visibility`` and ``language`` are for documents that do not set their own."""

    location: str
    label: str
    visibility: Visibility = "public"
    language: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def contains(self, source: str) -> bool:
        """Whether a document with this label as its source belongs to this source."""
        return source == self.label or source.startswith(self.label.rstrip("/") + "/")


def configured_sources(config: Config, tenant: str) -> list[DocumentSource]:
    knowledge = config.tenants[tenant].knowledge
    return [*path_sources(config, tenant), *_website_sources(knowledge), *_plugin_sources(config, knowledge)]


def path_sources(config: Config, tenant: str) -> list[DocumentSource]:
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
        )
        for each in knowledge.sources
    ]


def _reveal(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def select_sources(
    config: Config, tenant: str, locations: Sequence[str], more: Mapping[str, Any], options: Mapping[str, Any]
) -> list[DocumentSource]:
    """The sources at the locations that a command names. Configured ones keep their settings, except for the given
    fields (``more``) and ``options`` that are not None."""
    known = {place.location: place for place in configured_sources(config, tenant)}
    hosts = {"private_hosts": config.tenants[tenant].knowledge.private_hosts}
    out = []
    for given in locations:
        location = given if "://" in given else str(Path(given).expanduser().resolve())
        place = known.get(location) or DocumentSource(location, _label(config, location), options=hosts)
        said = {name: value for name, value in more.items() if value is not None}
        limits = {name: value for name, value in options.items() if value is not None}
        out.append(DocumentSource(**{**_fields_of(place), **said, "options": {**place.options, **limits}}))
    return out


def _fields_of(place: DocumentSource) -> dict[str, Any]:
    return {name: getattr(place, name) for name in ("location", "label", "visibility", "language")}


def _label(config: Config, location: str) -> str:
    if "://" in location:
        return location
    path = Path(location)
    return os.path.relpath(path, config.folder) if path.is_relative_to(config.folder) else location
