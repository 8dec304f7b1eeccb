"""Names, codes and addresses in a sentence: what a model likes to invent and a reader likes to believe."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent_worker.grounding.figures import is_unit, plain
from agent_worker.knowledge import lexicon
from agent_worker.knowledge.analysis import term

_LINK = re.compile(r"(?:https?://|www\.)\S+|\S+@\S+\.\S+|\b[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}(?:/\S*)?", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+(?:[-'’&][^\W_]+)*")
_OPENERS = frozenset(
    word
    for line in (
        "according additionally after also although always another any as at because before besides both but by check",
        "choose do does due during each either every finally first for from furthermore generally given hence here how",
        "however if in instead just keep later let like make many most next note often only otherwise our over please",
        "remember second similarly simply since sometimes sorry still such sure take tell therefore these third those",
        "though thus together try typically under unfortunately unless until up use usually very when where whether",
        "while with within without",
    )
    for word in line.split()
)


def links(text: str) -> list[str]:
    """Addresses of pages, hosts and mailboxes, as written."""
    return [match[0].rstrip(".,;:!?)]}>\"'*_`").casefold() for match in _LINK.finditer(plain(text))]


def names(sentence: str) -> Iterator[str]:
    """Words with a capital or a digit inside. The first word counts unless it is one that opens sentences."""
    text = _LINK.sub(" ", plain(sentence))
    for order, match in enumerate(_WORD.finditer(text)):
        word = match[0]
        if is_unit(word) or not (any(char.isupper() for char in word) or _is_code(word)):
            continue
        if order == 0 and _opens(word):
            continue
        if re.split(r"['’]", word)[0] != "I":
            yield word


def _is_code(word: str) -> bool:
    """ "UV400" is one, "30-day" and "2nd" are not: their number is a figure."""
    return bool(re.search(r"[^\W\d_]\d", word))


def _opens(word: str) -> bool:
    small = word.casefold().replace("’", "'")
    return small in _OPENERS or small in lexicon.STOP


def strange(sentence: str, source: str) -> list[str]:
    """The names and addresses of a sentence that its source does not hold."""
    written = plain(source)
    vocabulary = {word for match in _WORD.finditer(written) for word in _forms(match[0])}
    out = [name for name in names(sentence) if not any(form in vocabulary for form in _parts(name))]
    known = set(links(source))
    return out + [link for link in links(sentence) if link not in known]


def _forms(word: str) -> Iterator[str]:
    small = word.casefold()
    yield small
    yield from re.split(r"[-'’&]", small)
    yield term(word)


def _parts(name: str) -> Iterator[str]:
    """A name is known by its whole, or by its stem (a plural)."""
    yield name.casefold()
    yield re.split(r"['’]", name.casefold())[0]
    if stem := term(name):
        yield stem
