"""The location and the options of a YouTube source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from yarl import URL

from agent_worker.knowledge.text.front_matter import LANGUAGE
from schemas.errors import InvalidRequest
from schemas.runtime.address_guard import AddressGuard
from schemas.validation.problems import describe_problem

SCHEME = "youtube://"
API_URL = "https://www.googleapis.com/youtube/v3"
TOKEN_URL = "https://oauth2.googleapis.com/token"
VIDEO_ID = r"[A-Za-z0-9_-]{11}"
_IDS = {
    "channel": re.compile(r"UC[A-Za-z0-9_-]{22}|@[\w.·-]{1,100}"),
    "playlist": re.compile(r"[A-Za-z0-9_-]{2,64}"),
    "video": re.compile(VIDEO_ID),
}
_SECRET = re.compile(r"[\x21-\x7e]*")
_FORMS = "youtube://channel/@handle, youtube://channel/UC…, youtube://playlist/… or youtube://video/…"

Kind = Literal["channel", "playlist", "video"]


@dataclass(frozen=True, slots=True)
class Location:
    """A place at YouTube. ``id`` of a channel may be its handle."""

    kind: Kind
    id: str


def parse_location(text: str) -> Location:
    """Raises InvalidRequest."""
    kind, _, id = text[len(SCHEME) :].partition("/")
    match kind:
        case "channel" | "playlist" | "video" if _IDS[kind].fullmatch(id):
            return Location(kind, id)
    raise InvalidRequest(f"{text[:200]}: not a place at YouTube", fix=f"write it as {_FORMS}")


class YouTubeOptions(BaseModel):
    """``folder`` holds caption files whose names contain the video's id. ``transcripts`` allows what YouTube shows to
    everybody to be read too. ``recheck_days``: how often the caption tracks of an unchanged video are listed again.
    ``daily_units``: the part of the project's quota that captions may take, so that the listing is always possible."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    api_key: SecretStr = SecretStr("")
    client_id: SecretStr = SecretStr("")
    client_secret: SecretStr = SecretStr("")
    refresh_token: SecretStr = SecretStr("")
    folder: str = ""
    transcripts: bool = False
    languages: tuple[Annotated[str, Field(pattern=LANGUAGE, min_length=2)], ...] = ()
    automatic: bool = True
    unlisted: bool = False
    recheck_days: float = Field(default=7, ge=0)
    daily_units: int = Field(default=9_000, ge=0)
    api_url: str = API_URL
    token_url: str = TOKEN_URL
    private_hosts: tuple[str, ...] = ()

    @property
    def uses_oauth(self) -> bool:
        return bool(self.refresh_token.get_secret_value())

    @model_validator(mode="after")
    def _require_credentials(self) -> YouTubeOptions:
        for name in ("api_key", "client_id", "client_secret", "refresh_token"):
            if not _SECRET.fullmatch(getattr(self, name).get_secret_value()):
                raise ValueError(f"{name} has blanks or characters that no key has")
        given = [bool(each.get_secret_value()) for each in (self.client_id, self.client_secret, self.refresh_token)]
        if any(given) and not all(given):
            raise ValueError("client_id, client_secret and refresh_token belong together")
        if not any(given) and not self.api_key.get_secret_value():
            raise ValueError("an api_key is needed, or client_id, client_secret and refresh_token")
        return self


def read_options(options: Mapping[str, Any]) -> YouTubeOptions:
    """Raises InvalidRequest. Values are never part of the message, because they may be secrets."""
    try:
        read = YouTubeOptions.model_validate(dict(options))
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(map(str, problem["loc"]))
        raise InvalidRequest(
            f"options of the YouTube source: {_explain(name, problem['type'], describe_problem(problem))}",
            fix=_fix(name),
        ) from None
    _check_address("api_url", read.api_url, read.private_hosts)
    _check_address("token_url", read.token_url, read.private_hosts)
    return read


def _explain(name: str, type: str, message: str) -> str:
    if type == "extra_forbidden":
        return f"there is no option {name!r}"
    return f"{name}: {message}" if name else message


def _fix(name: str) -> str:
    known = sorted(YouTubeOptions.model_fields)
    similar = get_close_matches(name, known, n=1) if name not in known else []
    return f"did you mean {similar[0]!r}?" if similar else f"the options are: {', '.join(known)}"


def _check_address(name: str, text: str, private_hosts: tuple[str, ...]) -> None:
    """Secrets are sent to these addresses, so they are encrypted, except to hosts of our own."""
    guard = AddressGuard(private_hosts)
    try:
        url = URL(text)
        guard.check(url)
    except ValueError:
        url = URL()
    if url.scheme != "https" and not (url.host and guard.allows(url.host, url.port)):
        raise InvalidRequest(
            f"options of the YouTube source: {name}: not an address with https://", fix=f"leave {name} out"
        )
