"""The port of a desk, the place where people work.

``Desk`` is one object for all accounts and is pure: it renders posts and states limits. ``DeskConnection`` is the
client of one account. Posts are sent like any message, by a ``VendorCall`` with an intent before and an outcome after
it; all other calls may be repeated without harm, and raise a DeliveryError. A desk that derives from these classes
inherits defaults for features that not every vendor has: limits of a post, times in ids, and forms.

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
from connectors.desk.rules import TenantDeskRules
from connectors.desk.thread_ids import Place
from schemas.conversation import Conversation
from schemas.desk import DeskCommand
from schemas.messages import Attachment, MessageState, TranscriptMessage
from schemas.ports import Account, Connection, Transport, VendorCall

REPLY_REVISION = "reply"
"""Revision of the event that reports a reply as first written. With it, the id of a reply can be derived from a change
of the reply that arrives first."""
REACTION = "reaction"
"""The ``kind`` of a reaction until it is mapped to a command. ``value`` is its name; ``fields`` is not empty if the
reaction was removed."""
CARD_DELETED = "card_deleted"
"""The ``kind`` of the event that a message which may be a card was deleted. It is no command: deleting is not an act
on the conversation."""
FORM_TRIGGER = "trigger"
"""The field of a command that holds the vendor's token for opening a form. It is valid for seconds, and never
logged."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate limit: ``per_second`` on average, ``burst`` after a pause."""

    per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class DeskRates:
    """The rates at which a desk may be updated, by the vendor's limits for one app.

    ``gather_seconds``: time in which new lines are collected into one post; ``posts``: messages in one channel;
    ``updates``: changes of cards without a change of owner; ``marks``: changes of marks; ``card_every``: time between
    two changes of one card without a change of owner; ``retry``: time until an update that found no free slot is tried
    again."""

    gather_seconds: float
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

    ``thread`` is empty for a message that begins a thread. ``since``: a time before which it was certainly not posted.
    ``metadata`` is stored with the message and invisible to people. ``files``: if given, the post consists of these
    files only."""

    marker: str
    channel: str
    since: datetime
    thread: str = ""
    rendered: RenderedPost = RenderedPost()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """A person at the desk. ``name``: display name; ``refusal``: the reason why they may not act, empty if they may."""

    name: str = ""
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class DeskMessage:
    """A message at the desk. ``metadata``: its stored metadata, if it is ours and the vendor still has them."""

    thread: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class DeskHost(Protocol):
    """A channel that can serve as a desk; see also ``connectors.registry.desk_place``."""

    def at_desk(self) -> Desk: ...


class Desk(Transport, Protocol):
    """One kind of desk, for all accounts.

    ``name`` is the prefix of its people's ids (``slack:U0123``) and the suffix of its consumer group; ``title`` is its
    display name. ``marks``: the mark of a person's reply for each state, where the desk can show marks. ``max_draft``:
    characters of a draft that fit into the metadata of its post. ``mentions`` matches people who are mentioned by id in
    a text (group 1 is the id); the default matches nobody."""

    name: str
    title: str
    rates: DeskRates
    marks: Mapping[MessageState, str]
    max_draft: int
    mentions: re.Pattern[str] = re.compile(r"(?!)()")

    def render_post(self, content: Content) -> RenderedPost:
        """Render a post. The result may be larger than one message; see ``split``."""

    def count_fitting(self, lines: Sequence[TranscriptMessage], contact: str) -> int:
        """Return the number of these lines that fit into one post, at least 1."""
        return len(lines)

    def split(self, rendered: RenderedPost) -> list[RenderedPost]:
        """Split it into messages that the vendor accepts, in order; at least one."""
        return [rendered]

    def post_call(self, post: Post) -> VendorCall: ...

    def is_file(self, place: Place) -> bool:
        """Return whether the id belongs to a file and not to a message."""

    def written_at(self, external_id: str) -> datetime | None:
        """Read from its id when a message was written; None if the id has no time."""
        return None

    def connect(self, account: Account) -> DeskConnection: ...


class DeskConnection(Connection, Protocol):
    """The client of one account. Each method raises a DeliveryError; ``SendRefused("not_found")`` if the object is
    gone."""

    async def update(self, place: Place, rendered: RenderedPost) -> None:
        """Replace the text of a message."""

    async def delete(self, place: Place) -> None:
        """Delete a message, or a file."""

    async def replace_mark(self, place: Place, before: str, after: str) -> None:
        """Replace the mark ``before`` of a message with ``after``. Either may be present or absent already."""

    async def get_link(self, place: Place) -> str:
        """Return the web address of a message; empty if there is none."""
        return ""

    async def whisper(self, thread: str, by: str, text: str, *, undo: str = "") -> None:
        """Show a text to one person in a thread. ``undo``: id of a reply that they can still take back."""

    async def find_message(self, external_id: str) -> DeskMessage | None:
        """Look up a message; None if it does not exist any more."""

    async def list_members(self, channel: str) -> frozenset[str]:
        """Return the ids of the members of a channel."""

    async def find_person(self, user: str) -> Member:
        """Look up a person, independent of channels."""

    async def open_form(self, conversation: Conversation, command: DeskCommand, rules: TenantDeskRules) -> str | None:
        """Open a form for the missing input of a command; its submission is a command of its own. Return None if no
        form is needed, else the text of an error for the author, empty once the form is open."""
        return None
