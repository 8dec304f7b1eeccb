"""Translate the errors of Redis and its client into the closed list of failures."""

from __future__ import annotations

import ssl

import structlog
from redis import exceptions as redis_errors
from redis.asyncio.sentinel import MasterNotFoundError

from infra.state.redis.cluster.topology import TopologyUnknown
from infra.state.redis.rebuild.schema import VERSION
from schemas.errors import StateUnavailable

_log = structlog.get_logger(__name__)

_FIXES: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str, str], ...] = (
    (
        redis_errors.AuthenticationError,
        "Redis refuses our credentials",
        "set `redis.username` and `redis.password`, or those in the state URL",
    ),
    (
        redis_errors.NoPermissionError,
        "Redis refuses a command",
        "allow the user all commands and keys under the prefix",
    ),
    (redis_errors.BusyLoadingError, "Redis is loading its data", "wait; work continues by itself"),
    (redis_errors.ReadOnlyError, "this Redis is a replica", "let the state URL name the primary"),
    (
        redis_errors.OutOfMemoryError,
        "Redis has no memory left",
        "raise maxmemory and keep maxmemory-policy noeviction; work continues by itself",
    ),
    (
        ssl.SSLCertVerificationError,
        "the certificate of Redis is not trusted",
        "set `redis.ca_file` to its authority's certificate",
    ),
    (
        MasterNotFoundError,
        "Sentinel names no primary of Redis",
        "wait while it replaces the primary; else check that most Sentinels run, that the state URL names them and "
        "their group, and `redis.sentinel_password`",
    ),
    (
        TopologyUnknown,
        "the Redis cluster names no node for a shard",
        "wait while it replaces a node; else check that most of its primaries run, and that the state URL names nodes "
        "of it",
    ),
    (
        redis_errors.ClusterDownError,
        "the Redis cluster is down",
        "check its primaries, and set `cluster-require-full-coverage no`; work continues by itself",
    ),
    (
        (redis_errors.TryAgainError, redis_errors.AskError, redis_errors.MovedError),
        "a slot of the Redis cluster is moving",
        "wait; work continues by itself",
    ),
    (redis_errors.TimeoutError, "Redis does not answer in time", "check its load, its disk and the network"),
    (
        redis_errors.ConnectionError,
        "Redis cannot be reached",
        "check that it runs, that the state URL names it, and `redis.cert_file` if it asks for a certificate",
    ),
)
_BY_PREFIX = {
    "OOM": _FIXES[4],
    "READONLY": _FIXES[3],
    "LOADING": _FIXES[2],
    "NOAUTH": _FIXES[0],
    "MISCONF": (redis_errors.ResponseError, "Redis cannot write to its disk", "free disk space; see the log of Redis"),
    "NOREPLICAS": (
        redis_errors.ResponseError,
        "Redis has too few replicas to take writes",
        "check its replicas and `min-replicas-to-write`; work continues by itself",
    ),
    "MASTERDOWN": (
        redis_errors.ResponseError,
        "this replica has lost its primary",
        "let the state URL name the primary",
    ),
}


def is_schema_mismatch(error: BaseException) -> bool:
    """See includes/shard_head.lua."""
    return str(error).startswith("SCHEMA_MISMATCH ")


def translate_error(error: BaseException) -> StateUnavailable:
    """The failure to raise instead of ``error``, with its fix."""
    if isinstance(error.__context__, ssl.SSLCertVerificationError):
        error = error.__context__  # the client reports it as a failed connection
    if is_schema_mismatch(error):
        version = str(error).split()[1]
        newer = int(version) > VERSION
        return StateUnavailable(
            f"the state in Redis has schema version {version}, and this program works with version {VERSION}",
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
