"""Every setting, command, route, topic, event type, error code and metric stands on its page."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

from connectors.registry import CHANNELS
from docs.hooks.settings import Section, find_sections
from gateway.cli import app
from gateway.config.settings import Config
from gateway.http.endpoints.table import ENDPOINTS
from infra.metrics import COUNTERS, GAUGES, HISTOGRAMS
from schemas import errors
from schemas.topics import EVENT_TYPES, topic_specs
from tests.site.conftest import Site


def setting_paths(schema: Any, definitions: Any, path: str = "") -> Iterator[str]:
    """The paths of all settings, as the JSON Schema of the configuration has them; ``*`` stands for a chosen name."""
    schema = definitions[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    for each in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from setting_paths(each, definitions, path)
    if isinstance(schema.get("additionalProperties"), dict):
        yield from setting_paths(schema["additionalProperties"], definitions, f"{path}.*")
    if "items" in schema:
        yield from setting_paths(schema["items"], definitions, f"{path}[]")
    for name, field in schema.get("properties", {}).items():
        inner = f"{path}.{name}".lstrip(".")
        yield inner
        yield from setting_paths(field, definitions, inner)


def commands(command: Any, context: Any) -> Iterator[tuple[str, Any]]:
    """Each command that does something, by what is typed for it."""
    if isinstance(command, TyperGroup):
        for name in command.list_commands(context):
            inner: Any = command.get_command(context, name)
            yield from commands(inner, inner.context_class(inner, info_name=name, parent=context))
    else:
        yield context.command_path, command


def test_every_setting_has_its_place(site: Site) -> None:
    schema = Config.model_json_schema()
    wanted = set(setting_paths(schema, schema["$defs"]))
    shown = {re.sub(r"\b[A-Z]+\b", "*", name.partition(":")[0]) for name in site.page("reference/settings").ids}
    assert len(wanted) > 200
    assert wanted - shown == set()


def test_every_setting_has_a_description() -> None:
    sections = list(find_sections(Section("", Config)))
    assert len(sections) > 40
    missing = [f"{section.path}.{name} {section.choice}".strip(" .")
               for section in sections for name, field in section.model.model_fields.items()
               if not (field.description or "").strip()]  # fmt: skip
    assert missing == []


def test_a_setting_is_shown_with_its_default_variable_and_description(site: Site) -> None:
    text = " ".join(site.page("reference/settings").text.split())
    assert "Messages of one contact in a minute for which models with costs are called." in text
    assert "PARLEY__TENANTS__TENANT__LIMITS__CONTACT_PER_MINUTE" in text
    assert re.search(r"contact_per_minute integer, ≥ 1 30 Messages of one contact", text)


def test_every_command_and_option_is_shown(site: Site) -> None:
    text = site.page("reference/commands").text
    root = typer.main.get_command(app)
    found = dict(commands(root, root.context_class(root, info_name="parley")))
    assert len(found) > 20
    assert [name for name in found if name not in text] == []
    options = {option for command in found.values() for each in command.params for option in each.opts if "-" in option}
    assert [option for option in options if option not in text] == []


def test_every_route_is_shown_with_its_errors(site: Site) -> None:
    text = site.page("reference/http").text
    assert [each.path for each in ENDPOINTS if f"{each.method} {each.path}" not in text] == []
    assert {code for each in ENDPOINTS for code in each.errors if code not in text} == set()


def test_every_topic_and_event_type_is_shown(site: Site) -> None:
    text = site.page("reference/topics").text
    families = {re.sub(rf"\.({'|'.join(CHANNELS)})$", ".{channel}", spec.name) for spec in topic_specs(CHANNELS)}
    assert [name for name in (*families, *EVENT_TYPES) if name not in text] == []


def test_every_error_code_is_shown_with_meaning_and_advice(site: Site) -> None:
    page = site.page("reference/errors")
    kinds = {kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.ParleyError)}
    groups = {kind for kind in kinds if "code" not in vars(kind)}
    assert [kind.code for kind in kinds - groups if kind.code not in page.text] == []
    assert [kind.__name__ for kind in kinds if not (kind.__doc__ or "").strip()] == []


def test_every_metric_is_shown_with_labels_and_help(site: Site) -> None:
    text = site.page("reference/metrics").text
    for name, (about, labels) in (COUNTERS | GAUGES | HISTOGRAMS).items():
        assert all(each in text for each in (name, about, *labels)), name
