"""What somebody is called in a workspace.

https://docs.slack.dev/reference/methods/users.info
"""

from __future__ import annotations

from pydantic import ValidationError

from connectors.inbound.display_names import shown_name
from connectors.slack.client import Client
from connectors.slack.errors import failure
from connectors.slack.places import Vendor, inner_id
from schemas.errors import SendRefused
from schemas.messages import Address
from schemas.ports import Profile


class Names(Vendor):
    display_name: str | None = None
    real_name: str | None = None


class User(Vendor):
    """``name`` is the one that people log in with, the last resort."""

    name: str | None = None
    real_name: str | None = None
    locale: str | None = None
    profile: Names = Names()


async def profile(client: Client, address: Address) -> Profile | None:
    """See schemas.ports.Profiler. ``missing_scope`` is among what raises CredentialsRevoked."""
    reply = await client.ask("users.info", {"user": inner_id(address), "include_locale": True})
    error = failure(reply)
    if isinstance(error, SendRefused):
        return None
    if error is not None:
        raise error
    try:
        user = User.model_validate(reply.body.get("user"))
    except ValidationError:
        return None
    chosen = (user.profile.display_name, user.profile.real_name, user.real_name, user.name)
    return Profile(shown_name(*filter(None, chosen)), user.locale or "")
