"""Names, codes and addresses in a sentence, which models like to invent and readers tend to believe."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent_worker.grounding.numbers import is_unit, normalize_characters
from agent_worker.knowledge.text import lexicon
from agent_worker.knowledge.text.analysis import term

_TOKEN = re.compile(r"\S+")
_PAGE = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_LABELS = re.compile(r"(?<![\w-])-*+([\w-]++(?:\.[\w-]++)++)")
_TOP_LABEL = re.compile(r"[a-z]{2,}", re.IGNORECASE)
_APOSTROPHE = re.compile(r"['’]")
_JOINT = re.compile(r"[-'’&]")
_CODE = re.compile(r"[^\W\d_]\d")
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
    text = normalize_characters(text)
    return [text[start:end].rstrip(".,;:!?)]}>\"'*_`").casefold() for start, end in _addresses(text)]


def _addresses(text: str) -> Iterator[tuple[int, int]]:
    """Their positions. A page address, or a host with a path, extends to the next space."""
    for token in _TOKEN.finditer(text):
        at, end = token.span()
        if _is_mailbox(token[0]):
            yield at, end
            continue
        page = _PAGE.search(text, at, end)
        for labels in _LABELS.finditer(text, at, end):
            if page is not None and page.start() <= labels.start(1):
                break
            if (host := _end_of_host(labels)) is not None:
                at = end if text[host : host + 1] == "/" else host
                yield labels.start(1), at
                if page is not None and page.start() < at:
                    page = _PAGE.search(text, at, end)
                if at == end:
                    break
        if page is not None:
            yield page.start(), end


def _is_mailbox(token: str) -> bool:
    at = token.find("@", 1)
    return at > 0 and token.rfind(".", at + 2, len(token) - 1) > 0


def _end_of_host(labels: re.Match[str]) -> int | None:
    """The end of the last label that can be a top-level domain."""
    start, end = labels.span(1)
    while (dot := labels.string.rfind(".", start, end)) >= 0:
        if (top := _TOP_LABEL.match(labels.string, dot + 1, end)) is not None:
            return top.end()
        end = dot
    return None


def _without_addresses(text: str) -> str:
    parts, at = list[str](), 0
    for start, end in _addresses(text):
        parts += (text[at:start], " ")
        at = end
    return "".join([*parts, text[at:]])


def names(sentence: str) -> Iterator[str]:
    """Words with a capital or a digit inside. The first word counts unless it commonly opens sentences."""
    text = _without_addresses(normalize_characters(sentence))
    for order, match in enumerate(_WORD.finditer(text)):
        word = match[0]
        if is_unit(word) or not (any(char.isupper() for char in word) or _is_code(word)):
            continue
        if order == 0 and _is_opener(word):
            continue
        if _APOSTROPHE.split(word)[0] != "I":
            yield word


def _is_code(word: str) -> bool:
    """ "UV400" is one; "30-day" and "2nd" are not, because their number is compared as a quantity."""
    return bool(_CODE.search(word))


def _is_opener(word: str) -> bool:
    small = word.casefold().replace("’", "'")
    return small in _OPENERS or small in lexicon.STOP


def unknown_names(sentence: str, source: str) -> list[str]:
    """The names and addresses of a sentence that do not occur in its source."""
    written = normalize_characters(source)
    vocabulary = {word for match in _WORD.finditer(written) for word in _known_forms(match[0])}
    unknown = [name for name in names(sentence) if not any(form in vocabulary for form in _lookup_forms(name))]
    known_links = set(links(source))
    return unknown + [link for link in links(sentence) if link not in known_links]


def _known_forms(word: str) -> Iterator[str]:
    small = word.casefold()
    yield small
    yield from _JOINT.split(small)
    yield term(word)


def _lookup_forms(name: str) -> Iterator[str]:
    """The whole name, or its stem for a plural."""
    yield name.casefold()
    yield _APOSTROPHE.split(name.casefold())[0]
    if stem := term(name):
        yield stem
