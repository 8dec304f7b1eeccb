"""The cases that every channel must have, once and for all, and how its fixtures are read.

``connectors/<channel>/fixtures/``::

    account.json                     settings of the account, or of several: {"main": {…}, "other": {…}}
    absent.json                      {"inbound/edited": "why this cannot exist here"}
    inbound/<case>/request.json      {"account", "now", "method", "url", "headers", "query", "body" | "body_base64",
                                      "desk": [places where people work]}
    inbound/<case>/events.json       what parse finds, or {"error": "unauthorized"}
    outbound/<case>/message.json     {"message": {…}, "sending"?: {…}, "account"?}
    outbound/<case>/requests.json    the calls that show it, or {"error", "reason"}
    outbound/<case>/reply.json       {"status", "body", "headers"?} to the last of them
    outbound/<case>/receipt.json     {"external_id"} or {"error", …}

``python -m tests.channels.record CHANNEL [CASE …]`` writes ``events.json``, ``requests.json`` and ``receipt.json``
anew, to be read before they are committed. A case that only one channel has needs no entry here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

INBOUND = {
    "text": "plain words of a contact",
    "unicode": "emoji with joiners, right-to-left script and escapes survive as they are",
    "markup": "the vendor's markup and entities become canonical text",
    "reply": "an answer to one of our messages, or in a thread",
    "edited": "a contact changes a message",
    "deleted": "a contact takes a message back",
    "reaction": "a contact reacts to a message",
    "reaction_removed": "a contact takes a reaction back",
    "image": "a picture with words",
    "file_only": "a file without words",
    "voice": "a voice note",
    "location": "a place on the map",
    "shared_contact": "a contact card",
    "choice": "one of our choices is picked, in the vendor's way",
    "command": "a slash command",
    "referral": "where a contact came from",
    "receipt_delivered": "a message of ours arrived",
    "receipt_read": "a message of ours was read",
    "receipt_failed": "a message of ours failed, with the reason",
    "batch": "many updates in one request, one of them malformed",
    "duplicate": "the same message twice in one request, under other event ids",
    "own_message": "the echo of what we sent",
    "other_bot": "another bot speaks",
    "unknown_kind": "a kind that did not exist when this was written",
    "handshake": "the vendor asks whether the address is ours",
    "bad_signature": "a signature that does not fit",
    "no_signature": "no signature at all",
    "malformed": "a signed body that makes no sense",
}
OUTBOUND = {
    "text": "a short answer",
    "markdown": "headings, lists, emphasis, links, code, a table",
    "citations": "an answer with proof",
    "long": "an answer over the channel's limit",
    "mentions": "nobody is notified by what is in the text",
    "few_choices": "choices that fit the channel's buttons",
    "many_choices": "choices that do not",
    "image": "a picture",
    "document": "a file that is no picture",
    "person": "a colleague's words",
    "empty": "nothing to show",
    "limited": "the vendor asks to wait",
    "limited_account": "the vendor asks the whole account to wait",
    "refused": "the vendor refuses for good",
    "broken": "the vendor fails",
    "revoked": "the token no longer works",
    "unreadable": "an answer that is none",
}


def fixtures(channel: str) -> Path:
    return ROOT / "connectors" / channel / "fixtures"


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def absent(channel: str) -> dict[str, str]:
    path = fixtures(channel) / "absent.json"
    return read(path) if path.exists() else {}


def cases(channel: str, way: str) -> Iterator[Path]:
    """The folders of one way, ``inbound`` or ``outbound``."""
    yield from sorted(path for path in (fixtures(channel) / way).glob("*") if path.is_dir())
