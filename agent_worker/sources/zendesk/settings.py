"""The location and the options of a Zendesk source."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator
from yarl import URL

from agent_worker.sources.source_options import SourceOptions
from agent_worker.sources.vendor_http import check_address
from schemas.errors import InvalidRequest

SCHEME = "zendesk://"
_LOCATION = re.compile(
    r"(?P<subdomain>[a-z0-9][a-z0-9-]{0,62})(\.zendesk\.com(/hc(/[a-z-]{2,12})?)?)?"
    r"(/(?P<kind>categories|sections)/(?P<id>\d{1,20})(-[^/?#]*)?)?/?",
    re.IGNORECASE,
)
_CREDENTIAL = re.compile(r"[\x21-\x7e]*")
_FIX = (
    "write zendesk://<subdomain>, zendesk://<subdomain>/categories/<id> or zendesk://<subdomain>/sections/<id>; the "
    "subdomain stands before .zendesk.com"
)


class ZendeskOptions(SourceOptions):
    """``email`` and ``token`` of an agent; without them, only what everybody may see is read. ``locales``: those to
    read, such as en-us; empty: all of the help centre."""

    email: SecretStr = SecretStr("")
    token: SecretStr = SecretStr("")
    locales: tuple[Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*$")], ...] = ()
    api_url: str = ""

    @property
    def is_agent(self) -> bool:
        return bool(self.token.get_secret_value())

    @property
    def headers(self) -> dict[str, str]:
        """https://developer.zendesk.com/api-reference/introduction/security-and-auth/#api-token"""
        if not self.is_agent:
            return {}
        login = f"{self.email.get_secret_value()}/token:{self.token.get_secret_value()}"
        return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}

    @model_validator(mode="after")
    def _check_credentials(self) -> Self:
        values = [self.email.get_secret_value(), self.token.get_secret_value()]
        if any(values) and not all(values):
            raise ValueError("email and token belong together")
        if not all(map(_CREDENTIAL.fullmatch, values)):
            raise ValueError("email or token has blanks or characters that none has")
        return self


@dataclass(frozen=True, slots=True)
class Place:
    """A help centre, or one of its categories or sections: then ``path`` is the part before ``/articles``."""

    subdomain: str
    path: str = ""

    @property
    def host(self) -> str:
        return f"{self.subdomain}.zendesk.com"

    def api(self, options: ZendeskOptions) -> URL:
        """The address of the API. Raises Forbidden."""
        url = check_address(options.api_url or f"https://{self.host}", options.private_hosts)
        return url / "api/v2/help_center"


def parse_location(location: str) -> Place:
    """Also the address of a page of the help centre, with another scheme. Raises InvalidRequest."""
    match = _LOCATION.fullmatch(location[len(SCHEME) :])
    if match is None:
        raise InvalidRequest(f"{location[:200]}: not a help centre at Zendesk", fix=_FIX)
    path = f"{match['kind'].lower()}/{match['id']}" if match["kind"] else ""
    return Place(match["subdomain"].lower(), path)
