"""The error reference: the closed list of failures."""

from __future__ import annotations

from collections.abc import Iterator

from docs.hooks.tables import prose, table
from schemas import errors
from schemas.errors import ParleyError

INTRODUCTION = """# Errors

Every failure has a code of this closed list, generated from `schemas/errors.py`. The HTTP API answers with the code and
the status, commands print the code with a fix, and dead letters carry it. *Retryable* means that the same request or
the same work may succeed later.
"""
GROUPS: dict[type[ParleyError], str] = {
    errors.RequestError: "The caller must change the request.",
    errors.TemporaryRefusal: "The caller may send the same request again, after `retry_after_ms`.",
    errors.RecordError: "A record on the bus cannot be used. It becomes a dead letter.",
    errors.HandlingError: "Work on a valid record failed.",
    errors.DeliveryError: "A channel did not accept a message.",
    errors.SetupError: "The operator must change the installation. Commands print the fix and exit with 2.",
}
FIXES = {
    "invalid_request": "Correct the field that the message names.",
    "unauthorized": "Send a valid token; for webhooks, compare the account's secret with the vendor's.",
    "forbidden": "Use a token or an origin with this right.",
    "not_found": "Check the names in the address.",
    "id_reused": "Give each new message a new `client_msg_id`.",
    "stale_epoch": "Read the conversation again; the answer names its owner and epoch.",
    "conflict": "Read the current state, then decide again.",
    "too_large": "Send less at once, or raise the quota that the message names.",
    "document_too_large": "Split the document, for example by topic.",
    "unsupported_media_type": "Send the content type that the route documents.",
    "unprocessable": "Correct the content; the message says what is wrong with it.",
    "rate_limited": "Wait for `retry_after_ms`; raise `limits` if the traffic is wanted.",
    "unavailable": "Wait for `retry_after_ms`; `/readyz` and `parley doctor` name the part that is down.",
    "undecodable_record": "Find the program that wrote the record; the dead letter contains its bytes.",
    "unknown_event_type": "Upgrade this process; a newer release wrote the record.",
    "fenced": "Nothing: another process has taken over.",
    "model_failed": "Check the provider with `parley config check`. Meanwhile the fallbacks answer.",
    "parked": "Nothing: the work continues when its time has come.",
    "suspect_records": "Nothing: the records are handled one by one.",
    "process_stalled": "Report the dead letter; it shows the text that stalled the process.",
    "process_crashed": "Report the dead letter with the process's log.",
    "memory_exhausted": "Report the dead letter; check the memory limit of the process.",
    "handler_failed": "Read the error in the dead letter, fix its cause, then run `parley deadletter replay`.",
    "send_refused": "Read the vendor's reason; correct the account or the content.",
    "send_delayed": "Nothing: it is sent again after the time that the vendor names.",
    "send_unknown": "Look in the vendor's app; the conversation has been handed to people.",
    "credentials_revoked": "Enter a new token and restart the connectors.",
    "setup": "Do what the printed fix says.",
    "config_invalid": "Correct the line that the message names, then run `parley config check`.",
    "database_locked": "Stop the other process that uses this `data_dir`.",
    "port_in_use": "Choose another port: `PARLEY_PORT=8090`, or `listen`.",
    "topic_mismatch": "Run `parley topics create`, or restore the configured `partitions`.",
    "schema_mismatch": "Run `parley migrate`, or start the release that wrote the data.",
    "missing_dependency": "Install the extra that the message names.",
    "internal": "Report it with the log of that time.",
}  # fmt: skip
"""Code → what to do about it."""


def build() -> str:
    """The whole page."""
    groups = "".join(f"\n## {group.__name__}\n\n{about}\n\n{_render(group)}" for group, about in GROUPS.items())
    return INTRODUCTION + groups + f"\n## Anything else\n\n{_table([ParleyError])}"


def leaves(group: type[ParleyError]) -> Iterator[type[ParleyError]]:
    """The errors of a group that have a code, each with the more special ones after it."""
    if "code" in vars(group):
        yield group
    for kind in group.__subclasses__():
        if kind.__module__ == errors.__name__:
            yield from leaves(kind)


def _render(group: type[ParleyError]) -> str:
    return _table(list(leaves(group)))


def _table(kinds: list[type[ParleyError]]) -> str:
    rows = [
        (f"`{kind.code}`", str(kind.status), "yes" if kind.retryable else "no", prose(kind.__doc__), FIXES[kind.code])
        for kind in kinds
    ]
    return table(("code", "HTTP status", "retryable", "meaning", "what to do"), rows)
