"""Settings under a tenant's ``knowledge``: where documents come from, and when they count as answering a question."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from agent_worker.knowledge.answer_threshold import ANSWERABLE_ABOVE
from agent_worker.knowledge.text.front_matter import LANGUAGE
from connectors.settings import Settings, require_pattern
from schemas.conversation import Visibility

_PERCENTAGE = re.compile(r"\d{1,3}(\.\d{1,6})?")


def _check_address(text: str) -> str:
    return require_pattern(
        text, r"https?://[^\s/?#@]+([/?#]\S*)?", "must be an address such as https://example.com/help"
    )


def _refuse_mapping(value: Any) -> Any:
    if isinstance(value, dict):
        raise ValueError("must be a list of groups of words that mean the same, such as [[car, auto]]")
    return value


def _refuse_percentage(value: Any) -> Any:
    """Tell what a percentage is as a share."""
    text = value.removesuffix("%").strip() if isinstance(value, str) else str(value)
    if _PERCENTAGE.fullmatch(text) and 1 < float(text) <= 100:
        raise ValueError(f"must be a number from 0 to 1: write {float(text) / 100:g}")
    return value


def _as_website(value: Any) -> Any:
    return {"url": _check_address(value)} if isinstance(value, str) else value


def _check_host(text: str) -> str:
    return require_pattern(
        text, r"(\[[0-9a-fA-F:.]+\]|[^\s/:@]+)(:\d{1,5})?", "must be a host or host:port, without https://"
    ).lower()


def _check_word(text: str) -> str:
    return require_pattern(text, r"[^\W_][\w'’-]*", "must be a single word")


Host = Annotated[str, AfterValidator(_check_host)]


SyncMinutes = Annotated[float | None, Field(ge=0, le=60 * 24 * 31)]


class SourceSettings(Settings):
    """A source of documents: a file, a folder, an address, or a location that an installed plugin reads."""

    location: str = Field(min_length=1)
    """A file, a folder or an address, or a text in the form that the plugin defines."""
    visibility: Visibility = "public"
    """Who may see documents that do not set their own visibility: public, verified or internal."""
    language: Annotated[str, Field(pattern=LANGUAGE)] = ""
    """The language of documents that do not set their own, such as de."""
    sync_minutes: SyncMinutes = None
    """How often it is synced, in minutes; 0: only when asked. By default Drive every 5, Notion every 10, YouTube and
    plugins every 60, websites once a day, and files only when asked."""
    options: dict[str, bool | int | float | SecretStr | list[str]] = {}
    """Options of the plugin. All texts are treated as secrets, because only the plugin knows which of them are."""


class WebsiteSettings(Settings):
    """A website whose pages are read as documents."""

    url: Annotated[str, AfterValidator(_check_address)]
    """A page, or a sitemap (.xml)."""
    depth: int = Field(default=3, ge=0, le=50)
    """How many links to follow from the page, on the same host; 0: none."""
    pages: int = Field(default=500, ge=1, le=50_000)
    """How many pages one run may read."""
    megabytes: float = Field(default=200, gt=0)
    """How many megabytes one run may download."""
    minutes: float = Field(default=15, gt=0)
    """How long one run may take."""
    visibility: Visibility = "public"
    """Who may see pages that do not set their own visibility: public, verified or internal."""
    language: Annotated[str, Field(pattern=LANGUAGE)] = ""
    """The language of pages that do not set their own, such as de."""
    sync_minutes: SyncMinutes = None
    """How often it is synced, in minutes; 0: only when asked. By default once a day."""


class KnowledgeSettings(Settings):
    """The documents that the agent answers from. Each source is synced on its schedule, and by ``parley knowledge
    sync``; ``parley dev`` also reads ``paths`` when it starts."""

    paths: list[str] = []
    """Files and folders, relative to the configuration file."""
    websites: list[Annotated[WebsiteSettings, BeforeValidator(_as_website)]] = []
    """Websites to read: addresses, or mappings with further settings."""
    sources: list[SourceSettings] = []
    """Documents that need settings of their own, or that a plugin reads."""
    private_hosts: list[Host] = []
    """Hosts (``host`` or ``host:port``) that may be read although their address is private. All others with a private
    address are refused."""
    synonyms: Annotated[
        list[Annotated[list[Annotated[str, AfterValidator(_check_word)]], Field(min_length=2)]],
        BeforeValidator(_refuse_mapping),
    ] = []
    """Groups of words of the trade that may stand for each other in a search: ``[soil, substrate, compost]``. General
    English is built in."""
    answerable_above: Annotated[float, BeforeValidator(_refuse_percentage)] = Field(
        default=ANSWERABLE_ABOVE, ge=0, le=1
    )
    """The confidence (0-1) from which an answer is given. Below, the agent asks which section of the documents is
    meant."""
