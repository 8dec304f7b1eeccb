"""The source for ``notion://…``, with its settings."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from agent_worker.sources.notion.notifications import parse_notification
from schemas.errors import InvalidRequest, MissingDependency
from schemas.ports import (
    IncompleteListing,
    ReadDocument,
    SkippedDocument,
    SourceNotification,
    SyncRequest,
    UnchangedDocument,
)
from schemas.runtime.optional_dependencies import install_command
from schemas.validation.problems import describe_problem

_SCHEME = "notion://"
_API_ADDRESS = "https://api.notion.com"
_ID = re.compile(r"([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})", re.IGNORECASE)
_LOCATION_FIX = "`notion://` for all pages that are shared, or `notion://<id>` for one and the pages below it"
Monotonic = Callable[[], float]
Sleep = Callable[[float], Awaitable[object]]
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def _check_address(text: str) -> str:
    """The token is sent there, so it must not be sent in the clear."""
    url = urlsplit(text)
    if url.scheme == "https" or (url.scheme == "http" and url.hostname in _LOOPBACK):
        return text.rstrip("/")
    raise ValueError("must begin with https://")


class NotionOptions(BaseModel):
    """``token``: of the connection. ``recheck``: the share of the unchanged pages that each sync reads again.
    ``hidden_properties``: names of properties that are not read. ``requests_per_second``: on average.
    ``webhook_token``: the verification token of the webhook subscription."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    token: SecretStr
    webhook_token: SecretStr = SecretStr("")
    requests_per_second: float = Field(default=3, gt=0, le=100)
    recheck: float = Field(default=0.02, ge=0, le=1)
    hidden_properties: tuple[str, ...] = ()
    address: Annotated[str, AfterValidator(_check_address)] = _API_ADDRESS
    private_hosts: tuple[str, ...] = ()
    """Given to every source. Only websites need it."""


def parse_options(options: Mapping[str, Any]) -> NotionOptions:
    """Raises InvalidRequest, which never repeats a value."""
    try:
        parsed = NotionOptions.model_validate(dict(options))
    except ValidationError as error:
        wrong = error.errors(include_input=False)[0]
        name = ".".join(str(part) for part in wrong["loc"])
        known = ", ".join(each for each in NotionOptions.model_fields if each != "private_hosts")
        raise InvalidRequest(
            f"options of a Notion source: {name}: {describe_problem(wrong)}",
            fix=f"the options are: {known}",
        ) from None
    if not parsed.token.get_secret_value().strip():
        raise InvalidRequest("options of a Notion source: token: is empty", fix="set the variable that it names")
    return parsed


def parse_location(location: str) -> str:
    """The id of the page or database, empty for everything. An id may be copied with the title before it. Raises
    InvalidRequest."""
    name = location[len(_SCHEME) :].strip("/")
    if not name:
        return ""
    match = _ID.fullmatch(name[-36:]) or _ID.fullmatch(name[-32:])
    if match is None:
        raise InvalidRequest("the location names no page or database of Notion", fix=_LOCATION_FIX)
    return "".join(match.groups()).lower()


class Notion:
    """``monotonic`` and ``sleep`` measure and pass the time between requests."""

    sync_minutes: ClassVar[float] = 10

    def __init__(self, monotonic: Monotonic = time.monotonic, sleep: Sleep = asyncio.sleep) -> None:
        self._monotonic = monotonic
        self._sleep = sleep

    def takes(self, location: str) -> bool:
        return location.lower().startswith(_SCHEME)

    def read_notification(
        self, headers: Mapping[str, str], body: bytes, options: Mapping[str, Any]
    ) -> SourceNotification:
        return parse_notification(headers, body, parse_options(options).webhook_token.get_secret_value().strip())

    async def read(
        self, visit: SyncRequest
    ) -> AsyncIterator[ReadDocument | UnchangedDocument | SkippedDocument | IncompleteListing]:
        options, root = parse_options(visit.options), parse_location(visit.location)
        try:
            from agent_worker.sources.notion.client import NotionClient
            from agent_worker.sources.notion.page_sync import PageSync
        except ImportError as error:
            raise MissingDependency(
                f"{visit.location}: the library that reads Notion is not installed", fix=install_command("notion")
            ) from error
        token = options.token.get_secret_value().strip()
        async with NotionClient(
            token,
            address=options.address,
            rate=options.requests_per_second,
            monotonic=self._monotonic,
            sleep=self._sleep,
        ) as client:
            sync = PageSync(
                visit, client, root=root, recheck=options.recheck, hidden_properties=options.hidden_properties
            )
            async for each in sync.run():
                yield each
