"""Placeholders that a remote model sees instead of personal data, and the values that its answers get back."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from agent_worker.models.providers.masking_provider import MaskingProvider, Placeholders
from agent_worker.models.providers.provider import Usage
from agent_worker.models.request import ActionCall, CallResults, ModelOutput, Prompt, UserText
from schemas.privacy.harmless_numbers import compile_own_numbers
from schemas.privacy.personal_data import PersonalData

OWN = compile_own_numbers(["NP-#####"])
PASSAGE = {"n": 1, "title": "Contact", "heading": "", "text": "Write to help@shop.example. We ship roses to Berlin."}


class ScriptedProvider:
    """Notes the prompts and answers with the pieces that it was given."""

    def __init__(self, *pieces: str | ModelOutput) -> None:
        self.pieces = pieces
        self.prompts: list[Prompt] = []

    async def stream(self, prompt: Prompt, output: int, usage: Usage) -> AsyncGenerator[str | ModelOutput, None]:
        self.prompts.append(prompt)
        for piece in self.pieces:
            yield piece

    async def close(self) -> None: ...

    def read(self) -> str:
        """All texts of the last prompt."""
        texts = []
        for part in self.prompts[-1].parts:
            if isinstance(part, UserText):
                texts.append(part.text)
            elif isinstance(part, CallResults):
                texts += [text for _, text in part.results]
        return "\n".join(texts)


def prompt_of(message: str, *names: str, **more: object) -> Prompt:
    data = {"passages": [PASSAGE], "conversation": [], "message": message, **more}
    text = UserText(json.dumps(data, ensure_ascii=False))
    return Prompt("Rules.", (text,), personal_data=PersonalData(OWN, names, same_case=True))


async def ask(provider: ScriptedProvider, prompt: Prompt) -> list[str | ModelOutput]:
    return [piece async for piece in MaskingProvider(provider).stream(prompt, 100, Usage())]


@pytest.mark.parametrize(
    ("message", "seen"),
    [
        ("I am Ann Bloom, ann@mail.example", "I am <NAME_1>, <EMAIL_1>"),
        ("Call 0171 2345678 or +1 (212) 555-0100.", "Call <PHONE_1> or <PHONE_2>."),
        ("Order NP-10231 please", "Order <NUMBER_1> please"),
        ("IBAN DE89 3704 0044 0532 0130 00 is mine", "IBAN <ACCOUNT_1> is mine"),
        ("Send it to Lindenstraße 12, 10115 Potsdam", "Send it to <ADDRESS_1>"),
        ("I live at 12 Main Street", "I live at <ADDRESS_1>"),
        ("J'habite 5 rue de la Paix, 75002 Paris", "J'habite <ADDRESS_1>"),
        ("Calle Mayor 7, 28013 Madrid", "<ADDRESS_1>"),
        ("on 04.05.2026 I paid 1.250,00 euro for 10 pots", "on 04.05.2026 I paid 1.250,00 euro for 10 pots"),
        ("two lines\nann@mail.example", "two lines\n<EMAIL_1>"),
        ('"ann@mail.example"', '"<EMAIL_1>"'),
        # The documents contain these.
        ("Is help@shop.example your address? Do you ship to Berlin?", None),
        # A name that is also a word is only hidden as it is spelled, and not where the documents use the word.
        ("I need roses, said Ann", "I need roses, said <NAME_1>"),
        # Nobody can pass a placeholder off as their own.
        ("<EMAIL_1> and ann@mail.example", "<TEXT_1> and <EMAIL_1>"),
    ],
)
async def test_a_model_sees_placeholders_and_the_reply_has_the_values(message: str, seen: str | None) -> None:
    seen = message if seen is None else seen
    provider = ScriptedProvider(seen, ModelOutput(seen))
    written = await ask(provider, prompt_of(message, "Ann Bloom", "Roses"))
    data = json.loads(provider.prompts[0].parts[0].text)  # type: ignore[union-attr]
    assert data["message"] == seen
    assert data["passages"] == [PASSAGE]
    assert written == [message, ModelOutput(message)]


async def test_the_rule_about_placeholders_is_part_of_the_instructions() -> None:
    provider = ScriptedProvider()
    await ask(provider, prompt_of("Hello"))
    assert "<EMAIL_1>" in provider.prompts[0].system


async def test_a_placeholder_that_arrives_in_pieces_is_whole_for_the_contact() -> None:
    text = "We wrote to <EMAIL_1>, and 3 < 4. <"
    provider = ScriptedProvider(*text, ModelOutput(text))
    written = await ask(provider, prompt_of("I am ann@mail.example"))
    pieces = [piece for piece in written if isinstance(piece, str)]
    assert "".join(pieces) == "We wrote to ann@mail.example, and 3 < 4. <"
    assert all(piece in "ann@mail.example" or "@" not in piece for piece in pieces)
    assert len(pieces) >= len(text)


async def test_the_arguments_of_a_call_have_the_values_as_valid_json() -> None:
    call = ActionCall("1", "rename", '{"name": "<name_1>", "email": "<EMAIL_1>", "other": "<EMAIL_7>"}')
    provider = ScriptedProvider(ModelOutput("", (call,)))
    name = 'Ann "The Rose" O\\Neil'
    written = await ask(provider, prompt_of(f"{name}: ann@mail.example", name))
    assert isinstance(written[0], ModelOutput)
    assert json.loads(written[0].calls[0].arguments) == {
        "name": name,
        "email": "ann@mail.example",
        "other": "<EMAIL_7>",
    }


async def test_results_of_actions_are_masked_by_the_names_of_their_facts() -> None:
    result = {
        "outcome": "succeeded",
        "n": 2,
        "text": "- customer name: Zoë Lind\n- city: Kassel\n- item: Nepenthes",
        "facts": {"customer_name": "Zoë Lind", "city": "Kassel", "item": "Nepenthes", "items": [{"phone": "55"}]},
    }
    call = ActionCall("1", "order", "{}")
    first = prompt_of("ann@mail.example asks for NP-10231")
    prompt = first.append(ModelOutput("", (call,), raw="kept"), CallResults(((call, json.dumps(result)),)))
    provider = ScriptedProvider(ModelOutput("<NAME_1> in <ADDRESS_1> has <NUMBER_1>"))
    written = await ask(provider, prompt)
    seen = json.loads(provider.read().splitlines()[-1])
    assert seen["text"] == "- customer name: <NAME_1>\n- city: <ADDRESS_1>\n- item: Nepenthes"
    assert seen["facts"] == {
        "customer_name": "<NAME_1>",
        "city": "<ADDRESS_1>",
        "item": "Nepenthes",
        "items": [{"phone": "<ADDRESS_2>"}],
    }
    assert (seen["outcome"], seen["n"]) == ("succeeded", 2)
    assert written == [ModelOutput("Zoë Lind in Kassel has NP-10231")]
    assert provider.prompts[0].parts[1] == ModelOutput("", (call,), raw="kept")


async def test_a_prompt_that_continues_another_one_has_the_same_placeholders() -> None:
    provider = ScriptedProvider()
    first = prompt_of("ann@mail.example, 0171 2345678")
    await ask(provider, first)
    before = provider.read()
    await ask(provider, first.append(ModelOutput("bob@mail.example"), UserText("Not sent: ann@mail.example")))
    assert provider.read() == f"{before}\nNot sent: <EMAIL_1>"
    assert provider.prompts[1].parts[1] == ModelOutput("<EMAIL_2>")


async def test_a_tenant_may_let_a_model_see_everything() -> None:
    provider = ScriptedProvider("<EMAIL_1>")
    prompt = replace(prompt_of("ann@mail.example"), personal_data=None)
    assert await ask(provider, prompt) == ["<EMAIL_1>"]
    assert provider.prompts == [prompt]


def test_masking_can_be_undone_whatever_is_written() -> None:
    placeholders = Placeholders(PersonalData(OWN, ["Ann"]), [])
    for text in ("<EMAIL_1> Ann <NAME_1>", "a@b.example<EMAIL_1>", "<TEXT_1><text_2> NP-10231", "Ann@ann.example"):
        assert placeholders.restore(placeholders.mask(text)) == text
