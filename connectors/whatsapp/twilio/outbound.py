"""A message as requests to Twilio: text, then files, one each, and the choices at its end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from connectors.markup import WHATSAPP, blank, label, labels, render, utf16
from connectors.whatsapp.settings import TwilioAccount
from connectors.whatsapp.twilio.addresses import recipient
from connectors.whatsapp.twilio.sealed_choices import payloads
from schemas.errors import SendRefused
from schemas.messages import Choice, OutboundMessage
from schemas.ports import Call, Sending

LONGEST_BODY = 1600
WITH_CHOICES = 1024
MOST_BUTTONS, MOST_ROWS = 3, 10
BUTTON, ROW, DESCRIPTION = 20, 24, 72
IN_TEMPLATE = 900
"""A template's text with all that is filled in has 1,024."""
MESSAGE = "twilio.message"
"""The form of a message, as it stands."""
FILE = "twilio.file"
"""A message that is a file."""
CONTENT = "twilio.content"
"""A message whose form is kept at Twilio: ``types`` describes it, and is the same for many messages."""


def calls(message: OutboundMessage, sending: Sending) -> list[Call]:
    """Raises SendRefused."""
    settings: TwilioAccount = sending.account.settings
    made = _free(message, settings) if sending.window_open else [_template(message, settings)]
    if not made:
        raise SendRefused("empty")
    ends = {"To": recipient(message.place, sending.contact), "From": settings.from_}
    # Since when it may be there is for a look-up.
    since = {"since": message.created_at.isoformat()}
    return [replace(call, arguments={**ends, **call.arguments, **since}) for call in made]


def _free(message: OutboundMessage, settings: TwilioAccount) -> list[Call]:
    files = [Call(FILE, {}, (file,)) for file in message.attachments]
    ids = _ids(message, settings)
    parts = render(message.text, WHATSAPP, WITH_CHOICES, utf16, citations=message.citations).parts if ids else ()
    if parts:
        return [*_texts(parts[:-1]), *files, _with_choices(parts[-1], message.choices, ids, settings)]
    listed = render(message.text, WHATSAPP, LONGEST_BODY, utf16, citations=message.citations, choices=message.choices)
    return [*_texts(listed.parts), *files]


def _texts(parts: Sequence[str]) -> list[Call]:
    return [Call(MESSAGE, {"Body": part}) for part in parts]


def _ids(message: OutboundMessage, settings: TwilioAccount) -> list[str]:
    """What stands behind each button; empty where the choices become numbered lines."""
    if not 1 <= len(message.choices) <= MOST_ROWS:
        return []
    return payloads(message.id, message.choices, settings)


def _with_choices(text: str, choices: Sequence[Choice], ids: Sequence[str], settings: TwilioAccount) -> Call:
    """Everything is a variable, so that a few forms are enough for all messages there will ever be."""
    if len(choices) <= MOST_BUTTONS and all(utf16(" ".join(each.label.split())) <= BUTTON for each in choices):
        shown = labels(choices, BUTTON, utf16)
        actions = [{"type": "QUICK_REPLY", "title": f"{{{{t{n}}}}}", "id": f"{{{{i{n}}}}}"} for n in _numbers(choices)]
        types = {"twilio/quick-reply": {"body": "{{body}}", "actions": actions}}
        return _content(types, {"body": text} | _named("t", shown) | _named("i", ids))
    shown = labels(choices, ROW, utf16)
    is_cut = any(short != " ".join(choice.label.split()) for short, choice in zip(shown, choices, strict=True))
    described = {"description": "{{d%d}}"} if is_cut else {}
    items = [
        {"item": f"{{{{t{n}}}}}", "id": f"{{{{i{n}}}}}"} | {key: form % n for key, form in described.items()}
        for n in _numbers(choices)
    ]
    types = {"twilio/list-picker": {"body": "{{body}}", "button": "{{button}}", "items": items}}
    values = {"body": text, "button": settings.list_label} | _named("t", shown) | _named("i", ids)
    whole = [label(choice.label, DESCRIPTION, utf16) or short for choice, short in zip(choices, shown, strict=True)]
    return _content(types, values | (_named("d", whole) if is_cut else {}))


def _content(types: dict[str, Any], values: dict[str, str]) -> Call:
    return Call(CONTENT, {"types": types, "ContentVariables": _variables(values)})


def _template(message: OutboundMessage, settings: TwilioAccount) -> Call:
    """What does not fit into it is refused: half an answer would pass for a whole one."""
    parts = render(
        message.text, WHATSAPP, LONGEST_BODY, utf16, choices=message.choices, citations=message.citations
    ).parts
    # Approved templates take no line ends, and no variable may be empty.
    words = folded(" ".join(parts))
    if settings.template is None or message.attachments or utf16(words) > IN_TEMPLATE:
        raise SendRefused("window_closed")
    filled = {name: form.replace("{text}", words) for name, form in settings.template.variables.items()}
    values = {name: "…" if blank(value) else value for name, value in filled.items()}
    return Call(MESSAGE, {"ContentSid": settings.template.content_sid, "ContentVariables": _variables(values)})


def _variables(values: dict[str, str]) -> str:
    # Twilio has been seen to stumble over an apostrophe in here.
    return json.dumps(values).replace("'", "\\u0027")


def _numbers(choices: Sequence[Choice]) -> range:
    return range(1, len(choices) + 1)


def _named(letter: str, values: Iterable[str]) -> dict[str, str]:
    return {f"{letter}{number}": value for number, value in enumerate(values, 1)}


def numbered_body(call: Call) -> str:
    """What a call with choices says where Twilio does not take its form: the choices as numbered lines, with their
    whole labels if those fit into one message."""
    values = json.loads(call.arguments["ContentVariables"])
    numbers = range(1, 1 + sum(name[1:].isdigit() and name[0] == "t" for name in values))
    whole, short = (
        "\n".join([values["body"], "", *(f"{n}. {values.get(f'{letter}{n}', values[f't{n}'])}" for n in numbers)])
        for letter in ("d", "t")
    )
    return whole if utf16(whole) <= LONGEST_BODY else short


def look(call: Call) -> tuple[str, frozenset[str]]:
    """How it will look in Twilio's list: whether it is a file, and its text in each form that it may be sent in; none
    where that is not known before."""
    if call.operation == CONTENT:
        body = json.loads(call.arguments["ContentVariables"])["body"]
        return "text", frozenset({folded(body), folded(numbered_body(call))})
    if "ContentSid" in call.arguments:
        return "template", frozenset()
    return ("file", frozenset()) if call.operation == FILE else ("text", frozenset({folded(call.arguments["Body"])}))


def folded(text: str) -> str:
    """Without what may be changed on the way."""
    return " ".join(text.split())
