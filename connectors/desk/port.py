"""The port of a desk: all that Parley asks of the place where people work.

``Desk`` is one object for all accounts and is pure: it names, renders and limits. ``DeskConnection`` is one account's
client, and carries out what the vendor has to do. Posts are sent like any message, by a ``VendorCall`` with an intent
before and an outcome after it; everything else may be repeated without harm, and raises a DeliveryError. A desk that
derives from these classes inherits what not every vendor has: limits of a post, times in ids, and forms.

A desk is reached through a channel: the channel's ``parse`` turns what people do into ``parley.desk.acted.v1`` events,
and its ``at_desk`` returns the desk (``DeskHost``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, runtime_checkable

from connectors.desk.contents import Content
from connectors.desk.rules import DeskRules
from connectors.desk.thread_ids import Place
from schemas.conversation import Conversation
from schemas.desk import DeskCommand
from schemas.messages import Attachment, MessageState, TranscriptMessage
from schemas.ports import Account, Connection, Transport, VendorCall

REPLY_REVISION = "reply"
"""The revision of the event by which a desk's channel tells of a reply as it was first written: by it the id of a reply
is known to whoever hears of a change first."""
REACTION = "reaction"
"""The ``kind`` of a reaction until it is known which act it stands for. ``value`` is its name; ``fields`` has something
where it was taken back."""
FORM_TRIGGER = "trigger"
"""The field of an act by which the vendor lets a form be opened. It is good for seconds, and never logged."""


@dataclass(frozen=True, slots=True)
class Rate:
    """``per_second`` on average, ``burst`` after a pause."""

    per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class DeskRates:
    """The speed at which a desk is kept, by what its vendor takes of one app.

    ``gathering``: seconds in which what comes goes into one post; ``posts``: messages in one channel; ``updates``:
    changes of cards, where nobody else may speak; ``marks``: changes of marks; ``card_every``: time between two changes
    of one card, unless somebody else may speak; ``retry``: time until what had no turn is tried again."""

    gathering: float
    posts: Rate
    updates: Rate
    marks: Rate
    card_every: timedelta
    retry: timedelta


@dataclass(frozen=True, slots=True)
class RenderedPost:
    """A post as the vendor shows it. ``text`` is for notifications; ``blocks`` are the vendor's own and JSON."""

    text: str = ""
    blocks: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Post:
    """A message to be posted once, under ``marker``.

    ``thread`` is empty for one that begins a thread. ``since``: it was surely not posted before. ``about`` is carried
    along, seen by nobody but us. ``files``: the post is these, and nothing else."""

    marker: str
    channel: str
    since: datetime
    thread: str = ""
    rendered: RenderedPost = RenderedPost()
    about: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """A person at the desk. ``name`` is for people to read; ``refused``: why they may not act, empty where they may."""

    name: str = ""
    refused: str = ""


@dataclass(frozen=True, slots=True)
class DeskMessage:
    """A message that stands at the desk. ``about``: what it carries along, where it is ours, and what it was posted
    with is still known to the vendor."""

    thread: str
    about: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class DeskHost(Protocol):
    """A channel in which people can work; see also ``connectors.registry.desk_place``."""

    def at_desk(self) -> Desk: ...


class Desk(Transport, Protocol):
    """One kind of desk, for all accounts.

    ``name`` begins the ids of its people (``slack:U0123``) and ends the name of its consumer group; ``title`` is for
    people to read. ``marks``: what a person's reply carries by its state, where the desk can show that. ``max_draft``:
    characters of a draft that its post can carry along. ``mentions`` finds people who are called by their id in a text
    (group 1 is the id), and nobody where the desk says nothing."""

    name: str
    title: str
    rates: DeskRates
    marks: Mapping[MessageState, str]
    max_draft: int
    mentions: re.Pattern[str] = re.compile(r"(?!)()")

    def render_post(self, content: Content) -> RenderedPost:
        """Render what a post says. It may be larger than one message; see ``split``."""

    def count_fitting(self, lines: Sequence[TranscriptMessage], contact: str) -> int:
        """Count how many of these lines one post can show, at least 1."""
        return len(lines)

    def split(self, rendered: RenderedPost) -> list[RenderedPost]:
        """Cut it into messages that the vendor takes, in order; at least one."""
        return [rendered]

    def post_call(self, post: Post) -> VendorCall: ...

    def is_file(self, place: Place) -> bool:
        """Tell a file's id from a message's."""

    def written_at(self, external_id: str) -> datetime | None:
        """Tell by its id when a message was written; None where the id does not say."""
        return None

    def connect(self, account: Account) -> DeskConnection: ...


class DeskConnection(Connection, Protocol):
    """One account's client. Each method raises a DeliveryError; ``SendRefused("not_found")`` where it is gone."""

    async def update(self, place: Place, rendered: RenderedPost) -> None:
        """Replace the text of a message."""

    async def delete(self, place: Place) -> None:
        """Delete a message, or a file."""

    async def replace_mark(self, place: Place, before: str, after: str) -> None:
        """Mark a message with ``after`` instead of ``before``, of which either may be there or not."""

    async def link(self, place: Place) -> str:
        """Return the address of a message, for people; empty where there is none."""
        return ""

    async def whisper(self, thread: str, by: str, text: str, *, undo: str = "") -> None:
        """Tell one person something in a thread. ``undo``: a reply that they can take back meanwhile, by its id."""

    async def message(self, external_id: str) -> DeskMessage | None:
        """Look a message up; None where there is none any more."""

    async def members(self, channel: str) -> frozenset[str]:
        """Return the ids of those who are in a channel."""

    async def person(self, user: str) -> Member:
        """Look a person up, whatever channels they are in."""

    async def open_form(self, found: Conversation, acted: DeskCommand, rules: DeskRules) -> str | None:
        """Ask its author for what the act lacks; what is filled in comes as an act of its own. Return None where the
        act lacks nothing, else what its author has to be told, empty when the form is open."""
        return None
