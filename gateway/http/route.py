"""A route of the HTTP API, as it is described."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import BaseModel

VISITOR, ADMIN, SIGNATURE, CONSOLE, PUBLIC = "visitor", "admin", "signature", "console", ""


@dataclass(frozen=True, slots=True)
class Route:
    """``answers``: status → model, or a media type for what is not JSON, or "" for no body. ``query``: name → what it
    means; ``errors``: codes beside 500."""

    method: str
    path: str
    summary: str
    answers: dict[int, type[BaseModel] | str]
    auth: str = PUBLIC
    body: type[BaseModel] | str = ""
    query: dict[str, str] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    group: str = "others"
