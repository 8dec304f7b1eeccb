"""Models: a question, the answer, and the actions that a model may ask for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from schemas.actions import ActionOutcome, Filling
from schemas.conversation import Origin
from schemas.messages import Attachment, AuthorKind, Choice, Citation, RemoteFile, Speech, TranscriptMessage
from schemas.ports.knowledge import Passage, SearchResult


@dataclass(frozen=True, slots=True)
class ActionResult:
    """The result of asking for an action. The outcome ``asked`` means that nothing was done yet: the contact or a
    colleague is asked first, and the turn ends with ``say`` and ``choices`` exactly as they are. ``say``
    describes any outcome in the tenant's words, for models without words of their own. ``evidence``: the action's
    answer, verbatim, so that sentences about it can cite it like a document."""

    action: str
    outcome: ActionOutcome | Literal["asked"]
    facts: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    say: str = ""
    choices: Sequence[Choice] = ()
    evidence: Passage | None = None


@dataclass(frozen=True, slots=True)
class ActionPreview:
    """What is known of an action before all its arguments are. ``refusal``: it would be refused whatever else is
    given; ``say``: a sentence on what it concerns, such as the order, unless the contact has just read it."""

    refusal: ActionResult | None = None
    say: str = ""


async def preview_nothing(_given: Mapping[str, Any]) -> ActionPreview:
    return ActionPreview()


@dataclass(frozen=True, slots=True)
class ActionOffer:
    """An action that this contact may ask for in this turn. ``parameters`` is the JSON schema of what may be filled in;
    the contact's identity is not part of it. ``examples`` are messages that ask for the action; ``title`` is for
    people. ``call`` never raises for arguments of a wrong type or range: that is a result, ``refused``. ``preview``
    takes the arguments so far; ``previewed``: those that it looks at. ``mentions``: values of its parameters that the
    contact named before and that a pronoun may refer to, the newest first. ``expected``: the contact was asked to do
    this next."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    risk: Literal["read", "write"]
    examples: Sequence[str]
    call: Callable[[Mapping[str, Any]], Awaitable[ActionResult]]
    title: str = ""
    preview: Callable[[Mapping[str, Any]], Awaitable[ActionPreview]] = preview_nothing
    previewed: Sequence[str] = ()
    mentions: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    expected: bool = False


NonTextContent = Literal["", "voice", "unclear", "file", "missing", "location", "contacts", "shared", "unsupported"]
"""``voice``: a voice note that nobody transcribes; ``unclear``: one that could not be transcribed; ``missing``: files,
none of which could be fetched; ``shared``: a post, a story or a product, without a question about it; ``unsupported``:
see ``Question.kind``."""


@dataclass(slots=True)
class QuestionPart:
    """One of several questions in the waiting messages. ``words``: as the contact wrote it; ``text``: with the
    references filled in, as it was searched for. ``is_question`` False: a statement, which need not be answered."""

    text: str
    search_result: SearchResult
    words: str = ""
    is_question: bool = True


@dataclass(slots=True)
class Question:
    """The input of a model: the new messages as one text, the history, and the search result. ``parts``: the separate
    questions, where there are several; ``excess_questions``: questions beyond the limit of one turn, to be named to the
    contact. ``files`` came with the messages; ``non_text``: the kind of content without text, and ``kind`` which
    unsupported kind (see ``schemas.content``). ``references``: what the messages quote, share or came from, in words:
    data, like the text; ``context``: the part of it that a short question refers to. ``offers``: actions that the model
    may ask for; ``filling``: the action whose parameters were being asked for; ``contact``: whose budget is spent,
    ``names`` the contact's.
    ``resolved``: the text with what a follow-up leaves out, as it was searched for; empty: the text. ``is_picked``:
    the passages are of the section that the contact picked among suggestions.

    Treat it as immutable. It is not declared frozen because that makes creating one slower."""

    tenant: str
    text: str
    history: Sequence[TranscriptMessage]
    search_result: SearchResult
    locale: str = ""
    files: Sequence[Attachment] = ()
    non_text: NonTextContent = ""
    kind: str = ""
    references: Sequence[str] = ()
    context: str = ""
    offers: Sequence[ActionOffer] = ()
    contact: str = ""
    names: Sequence[str] = ()
    filling: Filling | None = None
    parts: Sequence[QuestionPart] = ()
    excess_questions: Sequence[str] = ()
    resolved: str = ""
    is_picked: bool = False


@dataclass(slots=True)
class AnswerDraft:
    """A reply before the groundedness gate. ``answered`` False: the documents do not hold the answer, and the text says
    so. ``handoff``: pass the contact to people; the worker then requests the owner ``queue``. ``reasons``: notes for
    the turn's record on how the draft came about, such as a model that failed before. ``filling``: the action whose
    parameters are asked for from now on, if any. ``seen``: ids of the pictures that the model looked at.

    Treat it as immutable. It is not declared frozen because that makes creating one slower."""

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
    seen: Sequence[str] = ()


FetchFile = Callable[[str, Origin, RemoteFile], Awaitable[Attachment]]
"""Fetches a contact's file from the vendor and stores it. Raises a RequestError or DeliveryError (also TimeoutError)
when it cannot be fetched, RateLimited when the contact has stored as much as they may today, Unavailable when it cannot
be stored now."""

Transcribe = Callable[[str, Attachment], Awaitable[Speech | None]]
"""Transcribes a tenant's stored voice note; None if the tenant has no transcriber. Raises Unavailable when the file
cannot be read now; any other failure is the ``problem`` of the result."""


class Transcriber(Protocol):
    """Understands speech. A package offers one through an entry point in the group ``parley.transcribers``, which names
    a function of ``TranscriberOptions``."""

    async def transcribe(self, audio: bytes, language: str) -> Speech:
        """``audio`` is a WAV file: 16 kHz, one channel, 16 bits. ``language``: the code of the language that is
        expected, empty if unknown. It is cancelled when its time is over. Whatever it raises counts as a failure."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class TranscriberOptions:
    """The settings of a transcriber; see ``transcribers`` in the configuration."""

    model: str = ""
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    threads: int = 2


class Model(Protocol):
    name: str

    async def answer(self, question: Question, emit: Callable[[str], Awaitable[None]]) -> AnswerDraft:
        """Answer a question. ``emit`` streams whole sentences that are safe to show. Raises ModelFailed."""
