"""The wire format as documents: one JSON Schema for each event type, and one AsyncAPI 3 document over all topics.

The documents are generated, never edited: ``parley schema export --out tests/golden`` renews the copies that the tests
compare with. A difference there is a change of the wire format, and must be deliberate."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from schemas import envelope, topics
from schemas.privacy.contact_keys import SEALED
from schemas.runtime.fair_rotation import PARTY_HEADER

JsonObject = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_FAMILIES: dict[str, tuple[str, str, str]] = {
    "inbound": (
        "parley.inbound.{channel}",
        "conversation",
        "Messages and other events from contacts, one topic for each channel.",
    ),
    "outbound": ("parley.outbound.{channel}", "conversation", "Messages to contacts, one topic for each channel."),
    "desk": (
        topics.outbound(topics.DEFAULT_DESK),
        "conversation",
        "Changes that the desk has to show, and what people do there.",
    ),
    "events": (topics.EVENTS, "conversation", "Records of turns, changes of owner, deliveries and feedback."),
    "state": (topics.STATE, "conversation, contact:<id> or token:<id>", "Snapshots, from which state is rebuilt."),
    "knowledge": (topics.KNOWLEDGE, "<tenant>/<document>", "Whole documents; a tombstone deletes."),
    "deadletter": (topics.DEADLETTER, "conversation", "Records that were given up on, with their original bytes."),
    "audit": (topics.AUDIT, "tenant", "Who saw, exported, changed and decided what, as a hash chain."),
    "keys": (topics.KEYS, "contact", "The wrapped keys of contacts, from which state is rebuilt."),
}
_OPERATIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "inbound": (("send", "Connectors append what people write."), ("receive", "Agent workers and connectors read it.")),
    "outbound": (("send", "Agent workers publish replies."), ("receive", "Connectors send them.")),
    "desk": (("send", "Workers, connectors and the edge append it."), ("receive", "The desk's consumer reads it.")),
    "events": (("send", "All processes append to it."), ("receive", "Dashboards and exports read them.")),
    "state": (("send", "Workers publish snapshots."), ("receive", "A rebuild reads them.")),
    "knowledge": (("send", "The admin API publishes documents."), ("receive", "Workers index them.")),
    "deadletter": (("send", "The process that gives up on a record appends it."), ("receive", "Operators look at it.")),
    "keys": (("send", "The process that makes or erases a key appends it."), ("receive", "A rebuild reads them.")),
    "audit": (("send", "All processes append to it, before the act."), ("receive", "The console and exports read it.")),
}


class _SchemaGenerator(GenerateJsonSchema):
    """Leaves out titles that only repeat a field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def payload_schema(event_type: str) -> JsonObject:
    """The JSON Schema of one event type's payload. Raises KeyError."""
    model = topics.EVENT_TYPES[event_type][0]
    return {
        "$schema": _DIALECT,
        "$id": f"urn:{event_type.replace('.', ':')}",
        **model.model_json_schema(schema_generator=_SchemaGenerator),
    }


def headers_schema(event_type: str = "") -> JsonObject:
    """The record headers: CloudEvents attributes in Kafka's binary content mode. Further headers are ignored. Where the
    value is sealed, the last two name the key of it."""
    text = {"type": "string"}
    properties: JsonObject = dict.fromkeys(envelope.HEADERS.values(), text) | {
        "ce_type": {"type": "string", "const": event_type} if event_type else text,
        "ce_time": {"type": "string", "format": "date-time"},
        "ce_specversion": {"type": "string", "const": envelope.SPEC_VERSION},
        "content-type": {"type": "string", "enum": [envelope.CONTENT_TYPE, SEALED]},
        PARTY_HEADER: text,
        "ce_contact": text,
        "ce_keygeneration": text,
    }
    required = [envelope.HEADERS[name] for name in envelope.REQUIRED]
    return {"type": "object", "required": [*required, "ce_time", "ce_specversion"], "properties": properties}


def asyncapi(channels: Sequence[str]) -> JsonObject:
    """Topics, their writers and readers, and every message with its headers and payload."""
    models: list[type[BaseModel]] = [model for model, _ in topics.EVENT_TYPES.values()]
    _, definitions = models_json_schema(
        [(model, "validation") for model in dict.fromkeys(models)],
        ref_template="#/components/schemas/{model}",
        schema_generator=_SchemaGenerator,
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Parley events",
            "version": "1",
            "description": "CloudEvents 1.0 in binary content mode: attributes are headers, the value is the payload.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": envelope.CONTENT_TYPE,
        "channels": {family: _channel(family, channels) for family in _FAMILIES},
        "operations": _operations(),
        "components": {
            "messages": {name: _message(name) for name in topics.EVENT_TYPES},
            "schemas": definitions["$defs"],
        },
    }


def files(channels: Sequence[str]) -> dict[str, str]:
    """Every document as text, by its path below the target folder."""
    documents = {f"schemas/{name}.json": payload_schema(name) for name in topics.EVENT_TYPES}
    documents["asyncapi.json"] = asyncapi(channels)
    return {path: json.dumps(document, indent=2, ensure_ascii=False) + "\n" for path, document in documents.items()}


def _channel(family: str, channels: Sequence[str]) -> JsonObject:
    address, _, description = _FAMILIES[family]
    names = [name for name, (_, group) in topics.EVENT_TYPES.items() if group == family]
    out: JsonObject = {
        "address": address,
        "description": description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {"kafka": _kafka(family)},
    }
    if "{channel}" in address:
        out["parameters"] = {"channel": {"enum": list(channels), "description": "The channel that people write from."}}
    return out


def _kafka(family: str) -> JsonObject:
    kind = _FAMILIES[family][0].split(".")[1]
    spec = next(spec for spec in topics.topic_specs(["web"]) if spec.name.split(".")[1] == kind)
    compact: JsonObject = {"cleanup.policy": ["compact"]}
    keep: JsonObject = {"cleanup.policy": ["delete"], "retention.ms": spec.retention_ms}
    return {"partitions": spec.partitions, "topicConfiguration": compact if spec.compacted else keep}


def _operations() -> JsonObject:
    return {
        f"{action}-{family}": {
            "action": action,
            "channel": {"$ref": f"#/channels/{family}"},
            "summary": summary,
        }
        for family, actions in _OPERATIONS.items()
        for action, summary in actions
    }


def _message(event_type: str) -> JsonObject:
    model, family = topics.EVENT_TYPES[event_type]
    return {
        "name": event_type,
        "title": model.__name__,
        "contentType": envelope.CONTENT_TYPE,
        "headers": headers_schema(event_type),
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
        "bindings": {"kafka": {"key": {"type": "string", "description": _FAMILIES[family][1]}}},
    }
