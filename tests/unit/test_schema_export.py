"""The wire format changes only on purpose, and old records stay readable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from connectors.registry import CHANNELS
from gateway.commands.common import wire_schemas
from schemas import topics
from schemas.envelope import Envelope, envelope

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
RENEW = "if this change is deliberate: parley schema export --out tests/golden"
TYPES = sorted(topics.EVENT_TYPES)


def golden(path: str) -> Any:
    return json.loads((GOLDEN / path).read_text(encoding="utf-8"))


def sample(event_type: str, which: str) -> tuple[dict[str, str], dict[str, Any]]:
    record = golden(f"records/{event_type}.json")[which]
    return record["headers"], record["value"]


def without_words(document: Any) -> Any:
    """Descriptions may be improved freely: no reader depends on them."""
    if isinstance(document, dict):
        return {
            key: without_words(value)
            for key, value in document.items()
            if not (key == "description" and isinstance(value, str))
        }
    return [without_words(item) for item in document] if isinstance(document, list) else document


FREE = {
    "headers",
    "fields",
    "given",
    "scores",
    "stages",
    "arguments",
    "result",
    "conversations",
    "before",
    "alternatives",
    "levels",
}
"""Maps whose keys are data, not fields."""


def with_strangers(document: Any) -> Any:
    """The same document as a later release might write it: a field more in every object."""
    if isinstance(document, dict):
        inner = {key: value if key in FREE else with_strangers(value) for key, value in document.items()}
        return inner | {"from_a_later_release": [1]}
    return [with_strangers(item) for item in document] if isinstance(document, list) else document


@pytest.mark.parametrize("path", sorted(wire_schemas.files(list(CHANNELS))))
def test_the_wire_format_is_the_one_on_record(path: str) -> None:
    assert without_words(json.loads(wire_schemas.files(list(CHANNELS))[path])) == without_words(golden(path)), RENEW


def test_no_golden_schema_is_left_of_a_type_that_is_gone() -> None:
    kept = {f"{folder}/{file.name}" for folder in ("schemas", "records") for file in (GOLDEN / folder).iterdir()}
    assert kept == {f"{folder}/{name}.json" for folder in ("schemas", "records") for name in TYPES}


@pytest.mark.parametrize("which", ["full", "least"])
@pytest.mark.parametrize("event_type", TYPES)
def test_an_old_record_is_decoded_whole(event_type: str, which: str) -> None:
    headers, value = sample(event_type, which)
    read = Envelope.from_wire(headers, json.dumps(value).encode())
    payload = read.payload(topics.EVENT_TYPES[event_type][0])
    assert read.type == event_type
    assert read.headers() == headers
    written = json.loads(payload.model_dump_json(exclude_none=True))
    assert {key: written[key] for key in value if which == "full"} == (value if which == "full" else {})
    assert set(value) <= set(written)


@pytest.mark.parametrize("event_type", TYPES)
def test_encoding_a_decoded_record_gives_the_same_bytes(event_type: str) -> None:
    """Encoding the decoded record gives the same headers and the same value."""
    headers, value = sample(event_type, "full")
    read = Envelope.from_wire(headers, json.dumps(value).encode())
    payload = read.payload(topics.EVENT_TYPES[event_type][0])
    again = envelope(
        read.type,
        payload,
        id=read.id,
        time=read.time,
        source=read.source,
        tenant=read.tenant,
        channel=read.channel,
    )
    assert again.data is not None
    assert json.loads(again.data) == value
    assert again.headers().items() <= headers.items()


@pytest.mark.parametrize("event_type", TYPES)
def test_fields_of_a_later_release_are_ignored(event_type: str) -> None:
    headers, value = sample(event_type, "full")
    model = topics.EVENT_TYPES[event_type][0]
    now = Envelope.from_wire(headers, json.dumps(value).encode())
    later = Envelope.from_wire(headers | {"ce_laterattribute": "x"}, json.dumps(with_strangers(value)).encode())
    assert later.payload(model) == now.payload(model)
    assert later.extra == {"ce_laterattribute": "x"}


def test_every_channel_that_is_registered_is_in_the_published_document() -> None:
    inbound = golden("asyncapi.json")["channels"]["inbound"]
    assert set(inbound["parameters"]["channel"]["enum"]) == set(CHANNELS)


@pytest.mark.parametrize("which", ["full", "least"])
@pytest.mark.parametrize("event_type", TYPES)
def test_the_published_schema_accepts_the_record(event_type: str, which: str) -> None:
    headers, value = sample(event_type, which)
    jsonschema.Draft202012Validator(golden(f"schemas/{event_type}.json")).validate(value)
    jsonschema.Draft202012Validator(wire_schemas.headers_schema(event_type)).validate(headers)


@pytest.mark.parametrize("event_type", TYPES)
def test_a_full_record_leaves_no_field_out(event_type: str) -> None:
    """So that renaming or removing any field of a payload is noticed."""
    _, value = sample(event_type, "full")
    assert set(value) == set(topics.EVENT_TYPES[event_type][0].model_fields)


def test_the_asyncapi_document_covers_every_topic_and_type_and_its_references_lead_somewhere() -> None:
    document = wire_schemas.asyncapi(list(CHANNELS))
    carried = [name for channel in document["channels"].values() for name in channel["messages"]]
    assert sorted(carried) == TYPES
    for spec in topics.topic_specs(list(CHANNELS)):
        address = next(
            channel["address"]
            for family, channel in document["channels"].items()
            if spec.name == channel["address"] or spec.name.rpartition(".")[0] == f"parley.{family}"
        )
        assert address.replace("{channel}", spec.name.rpartition(".")[2]) == spec.name
    for reference in _references(document):
        at: Any = document
        for part in reference.removeprefix("#/").split("/"):
            at = at[part]


def _references(document: Any) -> list[str]:
    if isinstance(document, dict):
        own = [document["$ref"]] if isinstance(document.get("$ref"), str) else []
        return own + [found for value in document.values() for found in _references(value)]
    return [found for item in document for found in _references(item)] if isinstance(document, list) else []
