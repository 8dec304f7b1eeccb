"""Rendering of messages as Twilio requests: text, then one request per file, and the choices at the end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from connectors.markup import WHATSAPP, build_labels, count_utf16, find_labels, is_blank, render, shorten
from connectors.whatsapp.settings import TwilioAccount
from connectors.whatsapp.twilio.addresses import build_recipient
from connectors.whatsapp.twilio.sealed_choices import seal_choices
from schemas.errors import SendRefused
from schemas.messages import Choice, OutboundMessage
from schemas.ports import RenderContext, VendorCall

MAX_BODY = 1600
MAX_BODY_WITH_CHOICES = 1024
MAX_BUTTONS, MAX_ROWS = 3, 10
BUTTON, ROW, DESCRIPTION = 20, 24, 72
MAX_TEMPLATE_TEXT = 900
"""A filled template may have 1,024 characters."""
MESSAGE = "twilio.message"
"""A message given by its text."""
FILE = "twilio.file"
"""A message that is a file."""
CONTENT = "twilio.content"
"""A message from a content template at Twilio: ``types`` describes the template, which many messages share."""


def build_calls(message: OutboundMessage, sending: RenderContext) -> list[VendorCall]:
    """Raises SendRefused."""
    settings: TwilioAccount = sending.account.settings
    calls = (
        _build_ordinary_calls(message, settings) if sending.window_open else [_build_template_call(message, settings)]
    )
    if not calls:
        raise SendRefused("empty")
    parties = {"To": build_recipient(message.place, sending.contact), "From": settings.from_}
    # For the lookup.
    since = {"since": message.created_at.isoformat()}
    return [replace(call, arguments={**parties, **call.arguments, **since}) for call in calls]


def _build_ordinary_calls(message: OutboundMessage, settings: TwilioAccount) -> list[VendorCall]:
    files = [VendorCall(FILE, {}, (file,)) for file in message.attachments]
    ids = _seal_choices(message, settings)
    parts = (
        render(
            message.text,
            WHATSAPP,
            MAX_BODY_WITH_CHOICES,
            count_utf16,
            citations=message.citations,
            heading=find_labels(message.locale).sources,
        ).parts
        if ids
        else ()
    )
    if parts:
        return [*_build_texts(parts[:-1]), *files, _build_choice_call(parts[-1], message, ids, settings)]
    numbered = render(
        message.text,
        WHATSAPP,
        MAX_BODY,
        count_utf16,
        citations=message.citations,
        choices=message.choices,
        heading=find_labels(message.locale).sources,
    )
    return [*_build_texts(numbered.parts), *files]


def _build_texts(parts: Sequence[str]) -> list[VendorCall]:
    return [VendorCall(MESSAGE, {"Body": part}) for part in parts]


def _seal_choices(message: OutboundMessage, settings: TwilioAccount) -> list[str]:
    """Return the payload of each button; empty if the choices have to be numbered lines."""
    if not 1 <= len(message.choices) <= MAX_ROWS:
        return []
    return seal_choices(message.id, message.choices, settings)


def _build_choice_call(text: str, message: OutboundMessage, ids: Sequence[str], settings: TwilioAccount) -> VendorCall:
    """All texts are variables, so that a few templates serve all messages."""
    choices = message.choices
    if len(choices) <= MAX_BUTTONS and all(count_utf16(" ".join(each.label.split())) <= BUTTON for each in choices):
        shown = build_labels(choices, BUTTON, count_utf16)
        actions = [
            {"type": "QUICK_REPLY", "title": f"{{{{t{n}}}}}", "id": f"{{{{i{n}}}}}"} for n in _number_choices(choices)
        ]
        types = {"twilio/quick-reply": {"body": "{{body}}", "actions": actions}}
        return _build_content_call(types, {"body": text} | _number_names("t", shown) | _number_names("i", ids))
    shown = build_labels(choices, ROW, count_utf16)
    is_cut = any(short != " ".join(choice.label.split()) for short, choice in zip(shown, choices, strict=True))
    described = {"description": "{{d%d}}"} if is_cut else {}
    items = [
        {"item": f"{{{{t{n}}}}}", "id": f"{{{{i{n}}}}}"} | {key: form % n for key, form in described.items()}
        for n in _number_choices(choices)
    ]
    types = {"twilio/list-picker": {"body": "{{body}}", "button": "{{button}}", "items": items}}
    label = settings.list_label or find_labels(message.locale).options
    values = {"body": text, "button": label} | _number_names("t", shown) | _number_names("i", ids)
    full_labels = [
        shorten(choice.label, DESCRIPTION, count_utf16) or short for choice, short in zip(choices, shown, strict=True)
    ]
    return _build_content_call(types, values | (_number_names("d", full_labels) if is_cut else {}))


def _build_content_call(types: dict[str, Any], values: dict[str, str]) -> VendorCall:
    return VendorCall(CONTENT, {"types": types, "ContentVariables": _format_variables(values)})


def _build_template_call(message: OutboundMessage, settings: TwilioAccount) -> VendorCall:
    """A text that does not fit is refused: part of an answer would look like all of it."""
    parts = render(
        message.text,
        WHATSAPP,
        MAX_BODY,
        count_utf16,
        choices=message.choices,
        citations=message.citations,
        heading=find_labels(message.locale).sources,
    ).parts
    # Approved templates accept no line breaks, and no variable may be empty.
    text = normalize_spaces(" ".join(parts))
    if settings.template is None or message.attachments or count_utf16(text) > MAX_TEMPLATE_TEXT:
        raise SendRefused("window_closed")
    filled = {name: form.replace("{text}", text) for name, form in settings.template.variables.items()}
    values = {name: "…" if is_blank(value) else value for name, value in filled.items()}
    return VendorCall(
        MESSAGE, {"ContentSid": settings.template.content_sid, "ContentVariables": _format_variables(values)}
    )


def _format_variables(values: dict[str, str]) -> str:
    # Twilio has been seen to fail on apostrophes here.
    return json.dumps(values).replace("'", "\\u0027")


def _number_choices(choices: Sequence[Choice]) -> range:
    return range(1, len(choices) + 1)


def _number_names(letter: str, values: Iterable[str]) -> dict[str, str]:
    return {f"{letter}{number}": value for number, value in enumerate(values, 1)}


def build_numbered_text(call: VendorCall) -> str:
    """Return the text of a call with choices without its template: the choices as numbered lines, with full labels if
    they fit into one message."""
    values = json.loads(call.arguments["ContentVariables"])
    numbers = range(1, 1 + sum(name[1:].isdigit() and name[0] == "t" for name in values))
    full, short = (
        "\n".join([values["body"], "", *(f"{n}. {values.get(f'{letter}{n}', values[f't{n}'])}" for n in numbers)])
        for letter in ("d", "t")
    )
    return full if count_utf16(full) <= MAX_BODY else short


def describe_call(call: VendorCall) -> tuple[str, frozenset[str]]:
    """Return how the message appears in Twilio's list: its kind, and its possible texts; none where they are not
    known."""
    if call.operation == CONTENT:
        body = json.loads(call.arguments["ContentVariables"])["body"]
        return "text", frozenset({normalize_spaces(body), normalize_spaces(build_numbered_text(call))})
    if "ContentSid" in call.arguments:
        return "template", frozenset()
    return (
        ("file", frozenset())
        if call.operation == FILE
        else ("text", frozenset({normalize_spaces(call.arguments["Body"])}))
    )


def normalize_spaces(text: str) -> str:
    """Remove differences in white space, which may change in transit."""
    return " ".join(text.split())
