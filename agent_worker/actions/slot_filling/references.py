"""References to what was named before: the order in hand, "the other one", "the second"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from agent_worker.actions.parsing import Field
from agent_worker.actions.slot_filling.dialogue_texts import SAYS, find_label
from agent_worker.actions.slot_filling.extraction import Extraction
from schemas.actions import Filling
from schemas.choice_matching import match_choice
from schemas.messages import Choice, TranscriptMessage
from schemas.ports import ActionOffer

_ELSE = re.compile(
    r"\b(?:another|others?|different|new|both|andere\w{0,2}|neue\w{0,2}|weitere\w{0,2}|beide\w{0,2})\b",
    re.IGNORECASE,
)
"""Words for something that was not spoken of yet."""
_PRONOUN = re.compile(r"\b(?:it|its|it's|that one|this one|them|es|sie|ihn|davon|diese\w{0,2})\b", re.IGNORECASE)
_OTHER = re.compile(
    r"^\W{0,3}(?:(?:no|nein|not|sorry|actually|i mean|ich meine)\b\W{0,3}){0,3}(?:(?:not that|nicht)\W{0,3})?"
    r"(?:the |die |der |das |den )?(?:other|andere\w?)(?: one)?\b(?:\W{0,3}(?:please|bitte))?\W{0,3}$",
    re.IGNORECASE,
)
_POSITIONS = {
    word: place
    for place, words in {
        0: "first 1st erste erster erstes ersten premier première premiere primero primera primer primo prima primeiro "
        "primeira eerste pierwszy pierwsza pierwsze birinci birincisi ilk ilki первый первая первое перший перша",
        1: "second 2nd zweite zweiter zweites zweiten deuxième deuxieme second seconde segundo segunda secondo seconda "
        "tweede drugi druga drugie ikinci ikincisi второй вторая второе другий друга",
        2: "third 3rd dritte dritter drittes dritten troisième troisieme tercero tercera tercer terzo terza terceiro "
        "terceira derde trzeci trzecia trzecie üçüncü üçüncüsü третий третья третье третій третя",
        -1: "last letzte letzter letztes letzten dernier dernière derniere último última ultimo ultima laatste ostatni "
        "ostatnia ostatnie sonuncu sonuncusu последний последняя последнее останній остання",
    }.items()
    for word in words.split()
}
_POSITION = re.compile(
    r"^\W{0,3}(?:(?:yes|yeah|yep|sure|ok(?:ay)?|then|no|ja|gern|nein|dann|sorry|i meant?|i think|ich meine?|"
    r"it'?s|that'?s|das|oui|non|sí|si|sì|sim|não|tak|nie|evet|hayır|да|нет|так|ні)\b\W{0,3}){0,3}"
    r"(?:(?:the|die|der|das|den|le|la|el|il|lo|o|a|de|het|ten|ta|to)\s)?"
    rf"(?P<name>{'|'.join(_POSITIONS)})(?:\s(?:one|option))?"
    r"(?:,?\s(?:then|dann))?(?:,?\s(?:please|bitte|thanks|danke|merci|por favor|grazie|obrigad[oa]|proszę|lütfen))?"
    r"\W{0,3}$",
    re.IGNORECASE,
)


def recall_values(offer: ActionOffer, text: str) -> dict[str, Any]:
    """The values that were named last, unless the text speaks of others."""
    return {} if _ELSE.search(text) else {name: values[0] for name, values in offer.mentions.items() if values}


def refers_back(offer: ActionOffer, text: str) -> bool:
    """Return whether a pronoun in the text may stand for a value that was named before."""
    return any(offer.mentions.values()) and _PRONOUN.search(text) is not None and not _ELSE.search(text)


def means_other(text: str) -> bool:
    """Return whether the message is "the other one"."""
    return _OTHER.match(text) is not None


def other_value(filling: Filling, offer: ActionOffer, fields: Sequence[Field]) -> Extraction | None:
    """The other of two values that the contact chose from, or named before. Where none is known, the identifier is
    rejected, so that it is asked for again; None without any."""
    for field in fields:
        known = filling.alternatives.get(field.name) or offer.mentions.get(field.name, ())
        others = [value for value in known if value != filling.given.get(field.name)]
        if others and field.name in filling.given:
            return Extraction(values={field.name: others[0]})
    named = next((field.name for field in fields if field.kind == "identifier" and field.name in filling.given), "")
    return Extraction(rejected=named) if named else None


def read_choice(text: str, history: Sequence[TranscriptMessage]) -> str:
    """The id of the choice that the message selects, by its label, its number or its position; empty if it selects
    none. A choice that is no value is also selected by its label in an earlier reply, in whatever language."""
    last_reply = next((line for line in reversed(history) if line.author.kind != "contact"), None)
    offered = last_reply.choices if last_reply is not None else []
    choice = match_choice(text, offered) or match_position(text, offered) or find_label(text)
    return choice.id if choice is not None and choice.id.startswith(SAYS) else ""


def match_position(text: str, choices: Sequence[Choice]) -> Choice | None:
    """The choice that the text names by its position: "the second one". The last choice, which cancels, has none."""
    named = _POSITION.match(text)
    options = choices[:-1]
    at = _POSITIONS[named["name"].lower()] if named is not None else len(options)
    return options[at] if -len(options) <= at < len(options) else None
