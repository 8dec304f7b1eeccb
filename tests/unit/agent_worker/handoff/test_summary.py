"""The summary for people: what is asked, what was found or done, what is open."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from agent_worker.actions.one_time_codes import CHECK
from agent_worker.actions.one_time_codes.actions import check_code
from agent_worker.handoff.coordinator import hide_codes
from agent_worker.handoff.summary import LONGEST, summarize
from agent_worker.router import decision
from agent_worker.settings import ActionRules, TenantRules
from schemas.actions import ActionMemory, PendingApproval
from schemas.conversation import ActionRecord
from schemas.messages import Attachment, Author, Citation, TranscriptMessage
from schemas.ports import Passage, SearchResult

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PASSAGE = Passage("shop", "returns", 1, "Returns", "Deadline", "", "You can return pots within 30 days.", 0.9)


def line(kind: str, text: str, *, cites: str = "", file: str = "") -> TranscriptMessage:
    cited = [Citation(n=1, document="d", title="Shipping", quote=cites)] if cites else []
    files = [Attachment(id="a" * 64, name=file, type="image/png", size=1)] if file else []
    author = Author(kind=kind)  # type: ignore[arg-type]
    return TranscriptMessage(id=text, author=author, text=text, citations=cited, attachments=files, created_at=AT)


def test_question_is_told_without_what_stands_around_it() -> None:
    """The last questions are what is asked; greetings and thanks are not."""
    said = [
        line("contact", "Hello!"),
        line("contact", "Hi there, can I return my pots?"),
        line("agent", "Within 30 days. [1]", cites="You can return pots within 30 days."),
        line("contact", "And who pays for it?"),
        line("contact", "Thanks"),
    ]
    asked, tried, open_ = summarize(said, reason=decision.PERSON_REQUESTED)
    assert asked == "Asked: can I return my pots? / And who pays for it?"
    assert tried == "Answered: “You can return pots within 30 days.” (Shipping)"
    assert open_ == f"Open: {decision.PERSON_REQUESTED}"


def test_a_message_that_is_no_question_is_summarized_as_it_is() -> None:
    """A complaint without a question is what it is about, with the files that came."""
    said = [line("contact", "My plant arrived broken.", file="plant.png")]
    assert summarize(said, reason="")[0] == "Asked: My plant arrived broken. (sent: plant.png)"


def test_a_complaint_after_a_question_is_told_with_it() -> None:
    """What the contact is upset about may be no question; the last question is told, too."""
    asked, complained = "Do you ship to Norway?", "My parcel arrived soaked and the leaves are brown."
    said = [line("contact", text) for text in (asked, complained, "thanks", "I want to talk to a human please")]
    assert summarize(said, reason="")[0] == f"Asked: {asked} / {complained}"
    said.append(line("contact", "This is the second time that it happened to me."))
    assert summarize(said, reason="")[0].startswith(f"Asked: {asked} / {complained} / This is the second")


def test_a_long_message_leaves_room_for_the_next() -> None:
    """The newest words are what a colleague needs first."""
    said = [line("contact", "It is a long story. " * 40), line("contact", "Where is my refund?")]
    told = summarize(said, reason="")[0]
    assert told.endswith("… / Where is my refund?")
    assert len(told) <= LONGEST


def test_a_one_time_code_is_never_told() -> None:
    """Where the tenant's actions ask for codes; a code alone is nothing that anybody asked."""
    said = [line("contact", "Where is my order?"), line("contact", "421498"), line("contact", "it is 421 498 I think")]
    rules = TenantRules(actions=ActionRules(actions={CHECK: check_code}))
    told = " ".join(summarize(hide_codes(said, rules), reason=decision.PERSON_REQUESTED))
    assert "Where is my order?" in told
    assert "421" not in told
    assert summarize(hide_codes(said[1:2], rules), reason="")[0] == "Asked: nothing in words"
    assert hide_codes(said, TenantRules()) == said, "a shop without codes may have orders of six digits"


def test_actions_come_before_what_was_found() -> None:
    """What was tried is what people must not do again."""
    done = [ActionRecord(name="refund", title="Refund an order", outcome="refused", reason="limit_reached")]
    found = SearchResult([PASSAGE], answerable=True, confidence=0.9)
    lines = summarize([line("contact", "Refund please")], reason="limit", search_result=found, actions=done)
    assert lines[1] == "Tried: Refund an order, refused (limit_reached)"
    assert summarize([line("contact", "Refund please")], reason="limit", search_result=found)[1] == (
        "Found: “You can return pots within 30 days.” (Returns)"
    )


@pytest.mark.parametrize(
    ("reason", "open_"),
    [
        (
            "approval needed: Refund an order, amount is above 50",
            "approval needed: Refund an order, amount is above 50",
        ),
        (decision.PERSON_REQUESTED, "the contact asked for a person; approve Refund an order"),
    ],
)
def test_an_action_awaiting_confirmation_is_named_once_by_its_title(reason: str, open_: str) -> None:
    """However many wait: which they are is shown with each."""
    at = datetime(2026, 5, 4, tzinfo=UTC)
    refund = {"action": "refund", "title": "Refund an order", "digest": "d", "contact_id": "c", "reason": "r"}
    both = [
        PendingApproval.model_validate(refund | {"id": id_, "arguments": {}, "requested_at": at, "expires_at": at})
        for id_ in ("a", "b")
    ]
    lines = summarize([line("contact", "Refund please")], reason=reason, memory=ActionMemory(approvals=both))
    assert lines[-1] == f"Open: {open_}"


def test_quote_that_is_cut_ends_with_a_word_and_has_no_marks() -> None:
    """Half a pair of marks would be read as a sign."""
    text = "We grow *N. hamata*, **N. lowii** and 3 * 4 others, named nep_low_1. " + "word " * 40
    found = SearchResult([replace(PASSAGE, text=text)], answerable=True, confidence=0.9)
    told = summarize([line("contact", "Which?")], reason="", search_result=found)[1]
    assert told.startswith("Found: “We grow N. hamata, N. lowii and 3 * 4 others, named nep_low_1. word")
    assert told.endswith("word …” (Returns)")


def test_nothing_found_is_said() -> None:
    """That the documents hold nothing is worth knowing."""
    nothing = SearchResult([], answerable=False, confidence=0.0)
    assert (
        summarize([line("contact", "Spaceships?")], reason="x", search_result=nothing)[1]
        == "Found: nothing in the documents"
    )


def test_lines_are_three_and_short() -> None:
    """Whatever people write, there is a line each, of a bounded length and without breaks."""
    long = line("contact", "Why?\n" + "very " * 500)
    lines = summarize([long], reason="r" * 1000, memory=ActionMemory())
    assert len(lines) == 3
    assert all(len(each) <= LONGEST and "\n" not in each for each in lines)
