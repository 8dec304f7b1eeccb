"""Access of programs and people: the scopes of API tokens, the roles of operators, and the tokens themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, get_args

from schemas.messages import WireModel

Scope = Literal["read", "reply", "knowledge", "admin"]
"""What a token may do. ``admin`` includes the others."""
Permission = Scope | Literal["owner"]
"""What an operation requires. ``owner`` is no scope: no token of a tenant has it, so none can make another one."""
Role = Literal["viewer", "agent", "admin", "owner"]
"""What a person may do. Each role includes the ones before it."""
SCOPES: tuple[Scope, ...] = get_args(Scope)
ROLES: tuple[Role, ...] = get_args(Role)
PERMISSIONS_BY_ROLE: dict[Role, frozenset[Permission]] = {
    "viewer": frozenset({"read"}),
    "agent": frozenset({"read", "reply"}),
    "admin": frozenset(SCOPES),
    "owner": frozenset({*SCOPES, "owner"}),
}


def includes_role(role: Role, least: Role) -> bool:
    """Tell whether somebody with ``role`` may do what ``least`` may do."""
    return ROLES.index(role) >= ROLES.index(least)


def find_role(permissions: frozenset[Permission]) -> Role:
    """The highest role that may do no more than this; a viewer where there is none."""
    return next((role for role in reversed(ROLES) if PERMISSIONS_BY_ROLE[role] <= permissions), "viewer")


class AccessToken(WireModel):
    """``parley.token.snapshot.v1``: an API token of one tenant. ``hash`` is the SHA-256 of the token, in hexadecimal;
    the token itself is stored nowhere. ``created_by`` and ``revoked_by`` are permanent ids, such as ``admin`` or
    ``console:anna``."""

    id: str
    tenant: str
    name: str
    scopes: tuple[Scope, ...]
    hash: str
    created_at: datetime
    created_by: str
    expires_at: datetime
    revoked_at: datetime | None = None
    revoked_by: str = ""

    @property
    def permissions(self) -> frozenset[Permission]:
        return frozenset(SCOPES if "admin" in self.scopes else self.scopes)

    def is_valid(self, now: datetime) -> bool:
        """Tell whether the token is neither expired nor revoked."""
        return self.revoked_at is None and now < self.expires_at
