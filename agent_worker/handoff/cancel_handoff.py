"""Recognizes a contact who waits for a person and no longer wants one. When in doubt, the answer is no: a
contact who is misunderstood loses their place in the queue."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent_worker.voice import Voice
from schemas.choice_matching import collapse_whitespace, fold_case, match_choice
from schemas.messages import Choice, InboundMessage

ASSISTANT = "assistant"
"""Id of the choice to continue with the assistant."""
_LONGEST = 90
"""Characters; a longer message is about something else, too."""
_WORDS = re.compile(
    r"(?:ok(?:ay)?|all right|never ?mind|no|sorry|actually|doch|ach|gut|na gut|egal|schon gut)?[\s,.!:-]*+"
    r"(?:"
    r"(?:i (?:do not|don['’]t) (?:need|want) (?:a |an |any )?(?:person|human|agent|colleague|people)"
    r"(?: any ?more| now)?)"
    r"|(?:no need for (?:a |an )?(?:person|human|agent|colleague)(?: any ?more)?)"
    r"|(?:(?:let['’]?s |i want to |i['’]d like to |can i |please )?(?:go on|continue|carry on|talk|go back) "
    r"(?:with|to) (?:the )?(?:bot|assistant|ai|machine))"
    r"|(?:(?:ich )?(?:brauche|will|möchte) (?:doch )?kein(?:e|en)? (?:person|mensch|menschen|mitarbeiter|mitarbeiterin|"
    r"kollegen|kollegin)(?: mehr)?(?: sprechen)?)"
    r"|(?:(?:ich (?:will|möchte) |bitte |lass uns |kann ich )?(?:doch )?(?:mit dem (?:bot|assistenten)|mit der ki) "
    r"(?:weiter(?:machen|reden|sprechen|schreiben)?))"
    r")[\s,.!]*+(?:please|thanks|thank you|bitte|danke)?[\s.!?]*+"
)


def assistant_choice(voice: Voice) -> Choice:
    return Choice(id=ASSISTANT, label=voice.assistant_choice)


def wants_assistant(message: InboundMessage, choices: Sequence[Choice] = ()) -> bool:
    """Return whether the contact wants the assistant: by the choice, by its number or label if it is among ``choices``,
    or in words that say nothing else."""
    if message.choice is not None:
        return message.choice.id == ASSISTANT
    if any(match_choice(message.text, [choice]) is not None for choice in choices):
        return True
    text = collapse_whitespace(fold_case(message.text))
    return len(text) <= _LONGEST and _WORDS.fullmatch(text) is not None
