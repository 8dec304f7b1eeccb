"""A model provider that sees placeholders instead of personal data. The answer gets the values back.

What the passages contain is public, so it stays as it is: the company's own address, for example."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from agent_worker.models.providers.provider import Provider, Usage
from agent_worker.models.request import CallResults, ModelOutput, Prompt, PromptPart, UserImage, UserText
from schemas.privacy.personal_data import KINDS, PersonalData

RULE = """
Placeholders such as <EMAIL_1>, <PHONE_1> or <NAME_1> stand for personal data of the customer. Where you need such a \
value, also in a function's arguments, write its placeholder unchanged.
"""
PASSAGES = "passages"
"""The name of the passages in a prompt's data."""
_LITERAL = "text"
"""The kind of what only looks like a placeholder, because somebody wrote it."""
_PLACEHOLDER = re.compile(rf"<({'|'.join([*KINDS, _LITERAL])})_(\d{{1,4}})>", re.IGNORECASE)
_LONGEST_PLACEHOLDER = 20
_BEGUN = re.compile(r"<[A-Za-z]{0,10}(?:_\d{0,4})?\Z")
_PERSONAL_FACT = re.compile(
    r"(?:\A|_)(?:(?:first|last|full|family|given|customer|contact|recipient|holder|billing|shipping|delivery)_name"
    r"|recipient|address|street|city|town|zip|postcode|postal_code|phone|mobile|email|iban|birthday|date_of_birth)"
    r"(?:\Z|_)"
)
"""Names of an action's facts whose values are personal data, whatever they look like."""
_WORD = re.compile(r"\w+")


class MaskingProvider:
    """Implements Provider around another one. What is masked is said by ``Prompt.personal_data``."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def stream(self, prompt: Prompt, output: int, usage: Usage) -> AsyncGenerator[str | ModelOutput, None]:
        """See Provider."""
        if prompt.personal_data is None:
            async with aclosing(self._provider.stream(prompt, output, usage)) as pieces:
                async for piece in pieces:
                    yield piece
            return
        placeholders = Placeholders(prompt.personal_data, _find_public_texts(prompt))
        masked = replace(
            prompt, system=prompt.system + RULE, parts=tuple(_mask_part(part, placeholders) for part in prompt.parts)
        )
        pending = ""
        async with aclosing(self._provider.stream(masked, output, usage)) as pieces:
            async for piece in pieces:
                if isinstance(piece, ModelOutput):
                    if pending:
                        yield pending
                    yield _restore_output(piece, placeholders)
                else:
                    whole, pending = _split_complete(pending + piece)
                    yield placeholders.restore(whole)

    async def close(self) -> None:
        await self._provider.close()


class Placeholders:
    """The placeholders of one prompt. They are numbered by first appearance, so that a prompt that continues another
    one has the same. ``public``: texts that anybody may read."""

    def __init__(self, personal_data: PersonalData, public: list[str]) -> None:
        self._personal = personal_data
        self._public = "\n".join(public)
        self._public_words = frozenset(_WORD.findall(self._public.casefold()))
        self._by_value: dict[str, str] = {}
        self._values: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        self._facts: set[str] = set()

    def mask(self, text: str) -> str:
        text = _PLACEHOLDER.sub(lambda found: self._stand_in(_LITERAL, found[0]), text)
        for fact in self._facts:
            text = re.sub(rf"(?<!\w){re.escape(fact)}(?!\w)", self._by_value[fact], text)
        return self._personal.replace(text, self._substitute)

    def mask_fact(self, kind: str, value: str) -> str:
        """Mask a value of which all is personal, here and in texts that follow."""
        masked = self._substitute(kind, value) if value.strip() else value
        if masked != value:
            self._facts.add(value)
        return masked

    def restore(self, text: str, encode: Callable[[str], str] = lambda value: value) -> str:
        """The text with the values. What no placeholder of this prompt is stays as it is."""
        return _PLACEHOLDER.sub(lambda found: self._value(found[0], encode), text)

    def _value(self, placeholder: str, encode: Callable[[str], str]) -> str:
        value = self._values.get(placeholder.upper())
        return placeholder if value is None else encode(value)

    def _substitute(self, kind: str, value: str) -> str:
        words = _WORD.findall(value.casefold())
        is_public = self._public_words.issuperset(words) if kind == "name" else value in self._public
        return value if is_public else self._stand_in(kind, value)

    def _stand_in(self, kind: str, value: str) -> str:
        if value not in self._by_value:
            self._counts[kind] += 1
            self._by_value[value] = f"<{kind.upper()}_{self._counts[kind]}>"
            self._values[self._by_value[value]] = value
        return self._by_value[value]


def _find_public_texts(prompt: Prompt) -> list[str]:
    data = (_read_data(part) for part in prompt.parts)
    passages = (each for one in data if one is not None for each in one.get(PASSAGES, ()))
    return [text for passage in passages for text in _texts(passage)]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)


def _read_data(part: PromptPart) -> Mapping[str, Any] | None:
    """The JSON object that a text is, if it is one."""
    if not isinstance(part, UserText) or not part.text.startswith("{"):
        return None
    try:
        data = json.loads(part.text)
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


def _mask_part(part: PromptPart, placeholders: Placeholders) -> PromptPart:
    match part:
        case UserText():
            data = _read_data(part)
            return replace(part, text=placeholders.mask(part.text) if data is None else _encode(data, placeholders))
        case CallResults(results):
            return CallResults(tuple((call, _mask_result(text, placeholders)) for call, text in results))
        case ModelOutput(raw=None):
            return replace(part, text=placeholders.mask(part.text))
        case ModelOutput() | UserImage():
            # The provider's own form of an answer has its placeholders already.
            return part


def _encode(data: Mapping[str, Any], placeholders: Placeholders) -> str:
    masked = {name: value if name == PASSAGES else _mask_data(value, placeholders) for name, value in data.items()}
    return json.dumps(masked, ensure_ascii=False)


def _mask_result(text: str, placeholders: Placeholders) -> str:
    """The facts come first: their names tell what is personal in the texts beside them, too."""
    result = json.loads(text)
    facts = {} if "facts" not in result else {"facts": _mask_data(result["facts"], placeholders)}
    return json.dumps({**_mask_data(result, placeholders), **facts}, ensure_ascii=False)


def _mask_data(value: Any, placeholders: Placeholders, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _mask_data(each, placeholders, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_mask_data(each, placeholders, name) for each in value]
    if not isinstance(value, str):
        return value
    if (found := _PERSONAL_FACT.search(name)) is not None:
        return placeholders.mask_fact("name" if "name" in found[0] or "recipient" in found[0] else "address", value)
    return placeholders.mask(value)


def _restore_output(output: ModelOutput, placeholders: Placeholders) -> ModelOutput:
    calls = tuple(
        replace(call, arguments=placeholders.restore(call.arguments, lambda value: json.dumps(value)[1:-1]))
        for call in output.calls
    )
    return ModelOutput(placeholders.restore(output.text), calls, output.raw)


def _split_complete(text: str) -> tuple[str, str]:
    """The text, and the beginning of a placeholder at its end, which may still grow."""
    begun = _BEGUN.search(text, max(0, len(text) - _LONGEST_PLACEHOLDER))
    return (text, "") if begun is None else (text[: begun.start()], text[begun.start() :])
