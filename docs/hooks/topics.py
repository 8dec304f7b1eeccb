"""The topic reference: every topic and event type, from the AsyncAPI document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connectors.registry import CHANNELS
from docs.hooks.tables import fields_table, models, prose, table
from gateway.commands.common.wire_schemas import asyncapi
from schemas.topics import DAY_MS

INTRODUCTION = """# Topics and events

Every topic and every event type, generated from the AsyncAPI document that `parley schema export` prints. Records are
CloudEvents 1.0 in Kafka's binary content mode: the attributes are headers (`ce_type`, `ce_id`, …), and the value is the
payload as JSON. What contacts say, and what is about them, is sealed: its `content-type` is
`application/vnd.parley.sealed`, and the headers `ce_contact` and `ce_keygeneration` name the key
([ADR 74](../adr/0074-keys-of-contacts.md)). `topic_prefix` stands before every name. The embedded mode keeps the same
topics in its SQLite file.
"""


def build() -> str:
    """The whole page."""
    document = asyncapi(list(CHANNELS))
    schemas = document["components"]["schemas"]
    parts = [INTRODUCTION, _overview(document)]
    for family, channel in document["channels"].items():
        parts.append(f"## {family.capitalize()}\n")
        parts.append(f"`{channel['address']}`: {channel['description']} {_users(document, family)}\n")
        parts += [_event(document["components"]["messages"][name], schemas) for name in channel["messages"]]
    names = {message["title"] for message in document["components"]["messages"].values()}
    parts_of_others = set(re.findall(r"#/components/schemas/(\w+)", str(schemas)))
    return "\n".join([*parts, "## Parts of payloads\n", *models(parts_of_others | (schemas.keys() - names), schemas)])


def _overview(document: Mapping[str, Any]) -> str:
    rows = []
    for channel in document["channels"].values():
        kafka = channel["bindings"]["kafka"]
        keep = kafka["topicConfiguration"].get("retention.ms")
        first = next(iter(channel["messages"]))
        key = document["components"]["messages"][first]["bindings"]["kafka"]["key"]["description"]
        retention = f"{keep // DAY_MS} days" if keep else "compacted"
        rows.append((f"`{channel['address']}`", key.replace("<", "&lt;"), str(kafka["partitions"]), retention))
    note = f"`{{channel}}` is one of {', '.join(f'`{name}`' for name in CHANNELS)}. The settings `partitions` and"
    note += " `retention` change the numbers.\n"
    return table(("topic", "key", "partitions", "kept"), rows) + "\n" + note


def _users(document: Mapping[str, Any], family: str) -> str:
    return " ".join(document["operations"][f"{action}-{family}"]["summary"] for action in ("send", "receive"))


def _event(message: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    schema = schemas[message["title"]]
    return f"### `{message['name']}`\n\n{prose(schema.get('description'))}\n\n{fields_table(schema, schemas)}"
