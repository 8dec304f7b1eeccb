"""Documents and models."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from schemas.actions import ActionOutcome, Filling
from schemas.conversation import Document, Origin
from schemas.messages import Assurance, Attachment, AuthorKind, Choice, Citation, RemoteFile, TranscriptMessage


@dataclass(frozen=True, slots=True)
class Passage:
    """One piece found. ``score`` is calibrated to 0–1; ``text`` is verbatim from the document."""

    tenant: str
    document: str
    version: int
    title: str
    heading: str
    url: str
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Found:
    """``answerable`` says whether the documents hold an answer, with ``confidence`` 0–1. ``encoder`` names what they
    were compared by, empty when by words alone; ``vector`` is the query's, by that encoder. ``stale``: the newest
    change of the tenant's documents could not be searched yet."""

    passages: list[Passage]
    answerable: bool
    confidence: float
    encoder: str = ""
    vector: Sequence[float] = ()
    stale: bool = False


Asker = Callable[[], Awaitable[Assurance]]
"""Looks up how sure we are of whoever asks."""


class Knowledge(Protocol):
    async def search(
        self,
        tenant: str,
        query: str,
        *,
        k: int = 8,
        wait: float = 0.25,
        channel: str = "",
        assurance: Assurance | Asker = "anonymous",
        language: str = "",
        since: float = math.inf,
        vector: bool = False,
    ) -> Found:
        """Finds what whoever asks may see: public documents; those for ``verified`` contacts only with that
        ``assurance``, which is looked up only where there are any; what is internal or has expired never. Documents in
        another ``language`` (such as ``de``) than the preferred one come behind; empty: none is preferred. Waits up to
        ``wait`` seconds, and two more where only a few documents are missing, for the newest write of the tenant to be
        searchable, else the result is ``stale``: of those before now, or before the moment
        ``since`` (``time.monotonic``) at which the contact's words were read. Searches for different tenants, and for
        different channels of one, take turns. ``vector``: that of the query is wanted even where there is nothing to
        search."""

    async def settled(self, tenant: str, wait: float) -> bool:
        """Wait up to so many seconds until all that was written of a tenant is searchable; whether it is."""

    async def documents(self, tenant: str) -> list[Document]:
        """All of them, whoever may see them: for those who keep the documents, not for answers."""

    async def document(self, tenant: str, document: str) -> Document | None:
        """As ``documents``."""

    async def ready(self) -> None:
        """Returns once every tenant's documents are searchable."""


@runtime_checkable
class WholeKnowledge(Protocol):
    """Knowledge that can be shown whole, to models with room for it."""

    async def whole(self, tenant: str, tokens: int) -> Sequence[Passage]:
        """Every passage that may be shown to everybody, in a fixed order; none when they are more than so many tokens
        (estimated)."""


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What came of asking for an action: typed facts, and the last word on this call. ``asked``: nothing was done yet;
    the contact (or a colleague) is asked first, and the turn ends with ``say`` and ``choices`` exactly as they are.
    ``say``: of any outcome, in the tenant's words, for whoever has none of their own.
    ``told``: what the action answered, verbatim, so that sentences about it can cite it like a document."""

    action: str
    outcome: ActionOutcome | Literal["asked"]
    facts: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    say: str = ""
    choices: Sequence[Choice] = ()
    told: Passage | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """One action that this contact may ask for in this turn. ``parameters`` is a JSON schema of what may be filled in;
    who the contact is stands outside it. ``examples`` are messages that ask for it; ``title`` is for people. ``call``
    never raises for arguments of a wrong type or range: that is a result, ``refused``."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    risk: Literal["read", "write"]
    examples: Sequence[str]
    call: Callable[[Mapping[str, Any]], Awaitable[ActionResult]]
    title: str = ""


Wordless = Literal["", "voice", "file", "missing", "location", "contacts", "shared", "unsupported"]
"""``missing``: files, none of which could be had; ``shared``: a post, a story or a product, without a question about
it; ``unsupported``: see ``Question.kind``."""


@dataclass(slots=True)
class Part:
    """One of several things that waiting messages ask for. ``words``: as the contact wrote it; ``text``: with what it
    refers to, which ``found`` was found for. ``is_question`` False: it says something, and need not be answered."""

    text: str
    found: Found
    words: str = ""
    is_question: bool = True


@dataclass(slots=True)
class Question:
    """What a model is asked: the new messages folded to one text, the talk before, and what was found. ``parts``: what
    they ask for one by one, where they ask for several things; ``beyond``: questions that are too many for one turn,
    to be named to the contact. ``files`` came with the messages; ``wordless`` says what they are when there is no text
    at all, and ``kind`` the kind that has no words (see ``schemas.content``). ``about``: what the messages quote, share
    or came from, in words: data, like the text; ``context``: the part of it that a short question is about.
    ``offers``: actions that the model may ask for; ``filling``: the one whose parameters were being asked for before;
    ``contact``: whose budget is spent.

    Never changed once made; not declared frozen, which would make making one slower."""

    tenant: str
    text: str
    history: Sequence[TranscriptMessage]
    found: Found
    locale: str = ""
    files: Sequence[Attachment] = ()
    wordless: Wordless = ""
    kind: str = ""
    about: Sequence[str] = ()
    context: str = ""
    offers: Sequence[Offer] = ()
    contact: str = ""
    filling: Filling | None = None
    parts: Sequence[Part] = ()
    beyond: Sequence[str] = ()


@dataclass(slots=True)
class Draft:
    """A reply before the gate. ``answered`` False: the documents do not hold it, and the text says so.
    ``handoff``: the contact is to be passed to people; the worker then asks for the owner ``queue``. ``reasons``: what
    the turn's record is to say of how it came about, such as a model that failed before. ``filling``: the action whose
    parameters are asked for from now on, None when none is.

    Never changed once made; not declared frozen, which would make making one slower."""

    text: str
    answered: bool
    citations: list[Citation] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    model: str = ""
    tokens: int = 0
    cost: float = 0.0
    author: AuthorKind = "agent"
    handoff: bool = False
    reasons: list[str] = field(default_factory=list)
    filling: Filling | None = None


FetchFile = Callable[[str, Origin, RemoteFile], Awaitable[Attachment]]
"""Fetch from the vendor what was sent in a conversation, and store it. Raises a RequestError or DeliveryError (also
TimeoutError) when it cannot be had, RateLimited when the contact has stored as much as they may today, Unavailable when
it cannot be stored now."""

Transcribe = Callable[[str, Attachment], Awaitable[str]]
"""What a stored voice note of a tenant says; empty when nothing can be understood, as is whatever it raises."""


class Transcriber(Protocol):
    """Listens to voice notes. Found by its entry point in the group ``parley.transcribers``, and made without
    arguments."""

    async def transcribe(self, data: bytes, type: str) -> str:
        """``type``: what the bytes are, such as ``audio/ogg``."""


class Model(Protocol):
    name: str

    async def answer(self, question: Question, emit: Callable[[str], Awaitable[None]]) -> Draft:
        """``emit`` streams whole sentences that are safe to show. Raises ModelFailed."""
