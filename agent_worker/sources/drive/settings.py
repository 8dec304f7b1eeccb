"""The options of a Drive source, and the addresses of Google's APIs that it may connect to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from yarl import URL

from schemas.errors import Forbidden, InvalidRequest
from schemas.runtime.address_guard import AddressGuard, allow_hint
from schemas.validation.problems import describe_problem

SCHEME = "drive://"
_FOLDER = re.compile(r"[A-Za-z0-9_-]{4,200}")
_GOOGLE_HOSTS = ("accounts.google.com", "googleapis.com")
_HOW = "docs/how-to/drive.md describes the options"


class DriveOptions(BaseModel):
    """Either ``service_account``, or the three values of an OAuth client. ``subject``: the user in whose name a service
    account with domain-wide delegation reads. ``api_url``: another address of Google's APIs. ``relist_hours``: how long
    changes alone are read before all folders are listed again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    service_account: SecretStr = SecretStr("")
    subject: str = ""
    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    refresh_token: SecretStr = SecretStr("")
    api_url: str = ""
    relist_hours: float = Field(default=24, ge=0)
    private_hosts: tuple[str, ...] = ()

    @property
    def has_oauth(self) -> bool:
        return bool(self.client_id and self.client_secret.get_secret_value() and self.refresh_token.get_secret_value())


def parse_options(options: Mapping[str, Any]) -> DriveOptions:
    """Raises InvalidRequest, which names options and never their values."""
    parsed = _validate(options)
    if isinstance(parsed, InvalidRequest):
        raise parsed  # here, where the error that quotes the values is not its context
    if bool(parsed.service_account.get_secret_value()) == parsed.has_oauth:
        raise InvalidRequest(
            "drive: no credentials, or those of two kinds",
            fix="set `service_account`, or `client_id`, `client_secret` and `refresh_token`; " + _HOW,
        )
    return parsed


def _validate(options: Mapping[str, Any]) -> DriveOptions | InvalidRequest:
    try:
        return DriveOptions.model_validate(dict(options))
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False)[0]
    name = ".".join(map(str, wrong["loc"]))
    if wrong["type"] == "extra_forbidden":
        known = ", ".join(each for each in DriveOptions.model_fields if each != "private_hosts")
        return InvalidRequest(f"drive: there is no option {name!r}", fix=f"the options are {known}")
    return InvalidRequest(f"drive: {name}: {describe_problem(wrong)}", fix=_HOW)


def parse_location(location: str) -> str:
    """The id in ``drive://<id>``. Raises InvalidRequest."""
    folder = location[len(SCHEME) :].rstrip("/")
    if not _FOLDER.fullmatch(folder):
        raise InvalidRequest(
            f"{location[:200]}: not a folder of Drive",
            fix="write drive:// and the id that ends the folder's address, drive.google.com/drive/folders/<id>",
        )
    return folder


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The base addresses of the Drive and the Sheets API, and the address that issues tokens."""

    drive: URL
    sheets: URL
    token: URL

    @classmethod
    def of(cls, options: DriveOptions, guard: AddressGuard) -> Endpoints:
        """Raises Forbidden for a host that is neither Google's nor listed in ``private_hosts``."""
        if not options.api_url:
            return cls(
                URL("https://www.googleapis.com/drive/v3"),
                URL("https://sheets.googleapis.com/v4"),
                URL("https://oauth2.googleapis.com/token"),
            )
        base = check_host(options.api_url, guard)
        return cls(base / "drive/v3", base / "v4", base / "token")


def check_host(address: str, guard: AddressGuard) -> URL:
    """The address, if it is on a host of Google's APIs, with TLS, or on one of ``private_hosts``. Raises Forbidden."""
    try:
        url = URL(address)
    except ValueError:
        url = URL()
    host = url.host or ""
    is_google = url.scheme == "https" and any(host == each or host.endswith(f".{each}") for each in _GOOGLE_HOSTS)
    if not is_google and not (url.scheme in ("http", "https") and guard.allows(host, url.port)):
        raise Forbidden(f"drive: {host or 'an address without a host'} is not a host of Google", fix=allow_hint(host))
    return url
