"""Lookup of people's names in a workspace.

https://docs.slack.dev/reference/methods/users.info
"""

from __future__ import annotations

from pydantic import ValidationError

from connectors.inbound.display_names import clean_display_name
from connectors.slack.client import SlackClient
from connectors.slack.errors import find_error
from connectors.slack.places import SlackModel, get_local_id
from schemas.errors import SendRefused
from schemas.messages import Address
from schemas.ports import Profile


class ProfileNames(SlackModel):
    display_name: str | None = None
    real_name: str | None = None


class User(SlackModel):
    """``name`` is the login name, the last resort."""

    name: str | None = None
    real_name: str | None = None
    locale: str | None = None
    profile: ProfileNames = ProfileNames()


async def fetch_profile(client: SlackClient, address: Address) -> Profile | None:
    """See schemas.ports.ProfileFetcher. ``missing_scope`` raises CredentialsRevoked too."""
    reply = await client.ask("users.info", {"user": get_local_id(address), "include_locale": True})
    error = find_error(reply)
    if isinstance(error, SendRefused):
        return None
    if error is not None:
        raise error
    try:
        user = User.model_validate(reply.body.get("user"))
    except ValidationError:
        return None
    names = (user.profile.display_name, user.profile.real_name, user.real_name, user.name)
    return Profile(clean_display_name(*filter(None, names)), user.locale or "")
