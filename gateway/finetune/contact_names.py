"""Data of other people in an answer: their names, and numbers, addresses and mailboxes that nobody in the conversation
wrote."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator

from pydantic import ValidationError

from gateway.training_export.conversation_grouping import ConversationEvent
from schemas import topics
from schemas.messages import InboundMessage

_IDENTIFIER = re.compile(
    r"(?<![\w.+%-])[\w.+%-]++@[\w-]++(?:\.[\w-]++){1,4}"  # a mailbox
    r"|(?<![\w.,-])(?:\+|\(?0)\d(?:[\s().\-/]{0,2}\d){6,14}(?![\w-])"  # a telephone number
    r"|(?<![\w-])(?=[A-Za-z]{1,8}-?\d{3})[\w-]{5,24}(?![\w-])"  # an order, such as PS-10234
)
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_GREETING = re.compile(
    r"\b(?:hi|hello|dear|hey|hallo|liebe[rs]?|guten (?:tag|morgen)|bonjour|ch[eè]re?|hola|ciao)[ ,]+"
    r"(?:(?:mr|mrs|ms|herr|frau)\.? )?([^\W\d_][\w'’-]{2,30})",
    re.IGNORECASE,
)
_MAX_WORDS = 4


class ContactNames:
    """The names under which contacts wrote."""

    def __init__(self) -> None:
        self._contacts: dict[str, set[str]] = defaultdict(set)

    def note(self, events: Iterable[ConversationEvent]) -> None:
        """Note the names in a conversation."""
        for event in events:
            if event.type != topics.MESSAGE_RECEIVED:
                continue
            try:
                message = InboundMessage.model_validate_json(event.body)
            except ValidationError:
                continue
            if message.author.kind == "contact" and message.author.name:
                self.add(message.author.name, message.contact_id)

    def add(self, name: str, contact: str) -> None:
        self._contacts[_normalize(name)].add(contact)

    def belongs_to_other(self, name: str, contact: str) -> bool:
        """True if only other contacts have this name."""
        contacts = self._contacts.get(_normalize(name))
        return contacts is not None and contact not in contacts

    def is_first_name_of_other(self, word: str, contact: str) -> bool:
        """True if the name of another contact begins with this word, and no name of this contact does."""
        plain = _normalize(word)
        owners = [each for name, each in self._contacts.items() if name.split(" ")[0] == plain]
        return bool(owners) and not any(contact in each for each in owners)


def names_other_contact(text: str, seen: str, own_names: Collection[str], names: ContactNames, contact: str) -> bool:
    """True if the text names another contact, or an identifier that is not in what was ``seen``: the conversation and
    the passages. ``own_names``: of the people in the conversation. A single word is only a name in a greeting, because
    plants are called Rose, too."""
    known = seen.casefold()
    if any(found[0].casefold() not in known for found in _IDENTIFIER.finditer(text)):
        return True
    own = {_normalize(word) for name in own_names for word in (name, *name.split())}
    if any(names.belongs_to_other(name, contact) for name in _phrases(text) if _normalize(name) not in own):
        return True
    greeted = [found[1] for found in _GREETING.finditer(text)]
    return any(names.is_first_name_of_other(word, contact) for word in greeted if _normalize(word) not in own)


def _phrases(text: str) -> Iterator[str]:
    """Neighbouring words, two to four."""
    words = _WORD.findall(text)
    for count in range(2, _MAX_WORDS + 1):
        yield from (" ".join(words[at : at + count]) for at in range(len(words) - count + 1))


def _normalize(name: str) -> str:
    return " ".join(_WORD.findall(name.casefold()))
