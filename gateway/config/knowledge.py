"""What a tenant may say about its documents: where they come from, and when they count as holding an answer."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from agent_worker.knowledge.text.front_matter import LANGUAGE
from connectors.settings import Settings, require_pattern
from schemas.conversation import Visibility


def _address(text: str) -> str:
    return require_pattern(
        text, r"https?://[^\s/?#@]+([/?#]\S*)?", "must be an address such as https://example.com/help"
    )


def _as_website(value: Any) -> Any:
    return {"url": _address(value)} if isinstance(value, str) else value


def _host(text: str) -> str:
    return require_pattern(
        text, r"(\[[0-9a-fA-F:.]+\]|[^\s/:@]+)(:\d{1,5})?", "must be a host or host:port, without https://"
    ).lower()


Host = Annotated[str, AfterValidator(_host)]


class SourceSettings(Settings):
    """A place that documents are read from: a file, a folder, an address, or what an installed source takes.
    ``visibility`` and ``language`` hold for documents that do not say their own. ``options`` are the source's; words
    among them are taken for secrets, since only the source knows which are."""

    location: str = Field(min_length=1)
    visibility: Visibility = "public"
    language: Annotated[str, Field(pattern=LANGUAGE)] = ""
    options: dict[str, bool | int | float | SecretStr | list[str]] = {}


class WebsiteSettings(Settings):
    """``url``: a page, or a sitemap (.xml). ``depth``: how many links away from there pages of the same host are read;
    0: none. ``pages``, ``megabytes`` and ``minutes`` are what one reading may take."""

    url: Annotated[str, AfterValidator(_address)]
    depth: int = Field(default=3, ge=0, le=50)
    pages: int = Field(default=500, ge=1, le=50_000)
    megabytes: float = Field(default=200, gt=0)
    minutes: float = Field(default=15, gt=0)
    visibility: Visibility = "public"
    language: Annotated[str, Field(pattern=LANGUAGE)] = ""


class KnowledgeSettings(Settings):
    """``paths`` (files or folders, relative to the configuration file) are synced by ``parley dev`` at its start, and
    by ``parley knowledge sync`` together with ``websites`` (addresses, or mappings with more to say) and ``sources``.

    ``private_hosts`` (``host`` or ``host:port``) may have private addresses; all others that do are refused.
    ``answerable_above`` is the confidence (0–1) from which the documents count as holding the answer."""

    paths: list[str] = []
    websites: list[Annotated[WebsiteSettings, BeforeValidator(_as_website)]] = []
    sources: list[SourceSettings] = []
    private_hosts: list[Host] = []
    answerable_above: float = Field(default=0.5, ge=0, le=1)
