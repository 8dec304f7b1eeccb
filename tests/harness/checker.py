"""Holds the contacts' journals against what was delivered: lost, doubled, out of order, crossed, unanswered,
unexplained."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.harness.chat_client import AcceptedMessage, Contact

KINDS = ("lost", "doubled", "reordered", "crossed", "unanswered", "unexplained")


@dataclass
class Findings:
    """Empty lists everywhere is what Parley promises."""

    messages: int = 0
    replies: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    reordered: list[str] = field(default_factory=list)
    crossed: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        return [f"{name}: {what}" for name in KINDS for what in getattr(self, name)]

    def __str__(self) -> str:
        counts = ", ".join(f"{len(getattr(self, name))} {name}" for name in KINDS)
        return f"{self.messages} messages, {self.replies} replies: {counts}"


def check(contact: Contact, lines: list[dict[str, Any]], turns: list[dict[str, Any]], findings: Findings) -> None:
    """Add one conversation's faults. ``lines`` is its whole transcript, ``turns`` its turns from the admin API."""
    where = contact.name
    findings.messages += len(contact.sent)
    own = [line for line in lines if line["author"]["kind"] == "contact"]
    replies = [line for line in lines if line["author"]["kind"] != "contact"]
    findings.replies += len(replies)
    _check_lines(contact, lines, own, findings)
    handled = Counter(message for turn in turns for message in turn["handled"])
    for sent in contact.sent:
        if handled[sent.message_id] == 0:
            findings.unanswered.append(f"{where} {sent.client_msg_id}")
        elif handled[sent.message_id] > 1:
            findings.doubled.append(f"{where} {sent.client_msg_id} answered {handled[sent.message_id]} times")
    _check_replies(contact, own, replies, turns, findings)


def _check_lines(contact: Contact, lines: list[dict[str, Any]], own: list[dict[str, Any]], findings: Findings) -> None:
    where = contact.name
    for line_id, times in Counter(line["id"] for line in lines).items():
        if times > 1:
            findings.doubled.append(f"{where} line {line_id} {times} times")
    seqs = [line["seq"] for line in lines]
    if seqs != sorted(set(seqs)):
        findings.reordered.append(f"{where} sequence numbers {seqs}")
    shown = {line["id"]: line for line in own}
    findings.lost += [f"{where} {sent.client_msg_id}" for sent in contact.sent if sent.message_id not in shown]
    journal = {sent.message_id: sent for sent in contact.sent}
    for sent in _early([journal[line["id"]] for line in own if line["id"] in journal]):
        findings.reordered.append(
            f"{where} {sent.client_msg_id} stands behind a message sent after its acknowledgement"
        )
    if strange := [line["id"] for line in own if line["id"] not in journal]:
        findings.crossed.append(f"{where} shows {len(strange)} messages that it never sent")
    for sent in contact.sent:
        if sent.message_id in shown and shown[sent.message_id]["text"] != sent.text:
            findings.crossed.append(f"{where} {sent.client_msg_id} shows another text")


def _early(sequence: list[AcceptedMessage]) -> list[AcceptedMessage]:
    """Those that stand behind a message that was not even tried before they were acknowledged. Messages under way at
    the same time have no order: one whose acknowledgement was lost is on the log before, and in the transcript
    perhaps after, what was sent meanwhile."""
    early, tried = [], 0
    for sent in sequence:
        if sent.acked < tried:
            early.append(sent)
        tried = max(tried, sent.tried)
    return early


def _check_replies(
    contact: Contact,
    own: list[dict[str, Any]],
    replies: list[dict[str, Any]],
    turns: list[dict[str, Any]],
    findings: Findings,
) -> None:
    where = contact.name
    promised = [reply["id"] for turn in turns for reply in turn["replies"]]
    shown = [line["id"] for line in replies if line["author"]["kind"] == "agent"]
    findings.lost += [f"{where} reply {reply}" for reply in promised if reply not in set(shown)]
    findings.unexplained += [f"{where} reply {reply} of no turn" for reply in shown if reply not in set(promised)]
    position = {line["id"]: line["seq"] for line in own}
    findings.unexplained += [
        f"{where} reply {line['id']} answers {line['in_reply_to']}, which was never sent here"
        for line in replies
        if line["author"]["kind"] == "agent" and line["in_reply_to"] not in position
    ]
    journal = {sent.message_id: sent for sent in contact.sent}
    named = [line["in_reply_to"] for line in replies if line["author"]["kind"] == "agent"]
    if wrong := _early([journal[id] for id in named if id in journal]):
        findings.reordered.append(f"{where} replies answer {[sent.client_msg_id for sent in wrong]} too late")
