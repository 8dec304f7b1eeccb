"""What Redis and its client say, translated into the closed list of failures."""

from __future__ import annotations

import ssl

import structlog
from redis import exceptions as said

from infra.state.redis.rebuild.schema import VERSION
from schemas.errors import StateUnavailable

_log = structlog.get_logger(__name__)

_FIXES: tuple[tuple[type[Exception], str, str], ...] = (
    (
        said.AuthenticationError,
        "Redis refuses our credentials",
        "set `redis.username` and `redis.password`, or those in the state URL",
    ),
    (said.NoPermissionError, "Redis refuses a command", "allow the user all commands and keys under the prefix"),
    (said.BusyLoadingError, "Redis is loading its data", "wait; work goes on by itself"),
    (said.ReadOnlyError, "this Redis is a replica", "let the state URL name the primary"),
    (
        said.OutOfMemoryError,
        "Redis has no memory left",
        "raise maxmemory and keep maxmemory-policy noeviction; work goes on by itself",
    ),
    (
        ssl.SSLCertVerificationError,
        "the certificate of Redis is not trusted",
        "name its authority's with `redis.ca_file`",
    ),
    (said.TimeoutError, "Redis does not answer in time", "check its load, its disk and the network between"),
    (said.ConnectionError, "Redis cannot be reached", "check that it runs and that the state URL names it"),
)
_BY_PREFIX = {
    "OOM": _FIXES[4],
    "READONLY": _FIXES[3],
    "LOADING": _FIXES[2],
    "NOAUTH": _FIXES[0],
    "MISCONF": (said.ResponseError, "Redis cannot write to its disk", "free disk space; see the log of Redis"),
    "MASTERDOWN": (said.ResponseError, "this replica has lost its primary", "let the state URL name the primary"),
}


def is_schema_mismatch(error: BaseException) -> bool:
    """See head.lua."""
    return str(error).startswith("SCHEMA_MISMATCH ")


def unavailable(error: BaseException) -> StateUnavailable:
    """The failure to raise instead of ``error``, with its fix."""
    if isinstance(error.__context__, ssl.SSLCertVerificationError):
        error = error.__context__  # the client calls it a connection that cannot be made
    if is_schema_mismatch(error):
        found = str(error).split()[1]
        newer = int(found) > VERSION
        return StateUnavailable(
            f"the state in Redis has schema version {found}, and this program works with version {VERSION}",
            fix="run the newer release that migrated it" if newer else "run `parley migrate` with this release",
        )
    known = _BY_PREFIX.get(str(error).split(" ", 1)[0].rstrip(":"))
    if known is None:
        known = next((row for row in _FIXES if isinstance(error, row[0])), None)
    if known is None and isinstance(error, OSError):
        known = _FIXES[-1]
    if known is None:
        _log.error("state_call_failed", error=str(error))
        return StateUnavailable(f"Redis failed: {type(error).__name__}", fix="see the log")
    return StateUnavailable(known[1], fix=known[2])
