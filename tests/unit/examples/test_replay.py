"""The replay of a retail task goes through policy, confirmation and journal, and tells what it left behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.measure.retail import Task, identify_customer_first, replay, tasks_of
from tests.measure.retail_attempts import attempt
from tests.measure.retail_worker import Call
from tests.unit.examples.retail_data import BOOKS, FERN

CANCEL = Call("cancel_pending_order", {"order_id": "#W0000001", "reason": "no longer needed"})
WHO = Call("find_user_id_by_email", {"email": "fern@example.com"})


def books_after_cancellation() -> dict[str, Any]:
    order = BOOKS["orders"]["#W0000001"]
    refund = {"transaction_type": "refund", "amount": 19.0, "payment_method_id": "gift_1"}
    user = json.loads(json.dumps(BOOKS["users"][FERN]))
    user["payment_methods"]["gift_1"]["balance"] = 29.0
    after = order | {
        "status": "cancelled", "cancel_reason": "no longer needed", "return_items": None,
        "payment_history": [*order["payment_history"], refund],
    }  # fmt: skip
    return {"orders": {"#W0000001": after}, "users": {FERN: user}}


async def test_each_task_is_judged_by_what_it_leaves(tmp_path: Path) -> None:
    """Right, when exactly the expected records differ; wrong, when another does, or none; and what nobody is known for,
    or belongs to somebody else, leaves nothing."""
    other = Call("cancel_pending_order", {"order_id": "#W0000009", "reason": "no longer needed"})
    tasks = [
        Task("done", [WHO, Call("get_order_details", {"order_id": "#W0000001"}), CANCEL], books_after_cancellation()),
        Task("too much expected", [WHO], books_after_cancellation()),
        Task("too little expected", [WHO, CANCEL], {}),
        Task("a stranger's", [CANCEL], {}),
        Task("somebody else's", [WHO, other], {}),
        Task("of a wrong type", [WHO, Call("cancel_pending_order", {"order_id": 7, "reason": "because"})], {}),
    ]
    wrong = await replay(tasks, BOOKS, tmp_path)
    assert [name for name, problems in wrong.items() if problems] == ["too much expected", "too little expected"]


def test_a_replayed_task_begins_with_the_identification_of_the_customer() -> None:
    assert identify_customer_first([CANCEL], BOOKS) == [WHO, CANCEL]
    assert identify_customer_first([WHO, CANCEL], BOOKS) == [WHO, CANCEL]
    assert identify_customer_first([], BOOKS) == []


def test_the_data_is_read_as_it_is_published(tmp_path: Path) -> None:
    calls = [{"name": CANCEL.name, "arguments": CANCEL.arguments, "action_id": "1_0"}]
    (tmp_path / "tasks_train.json").write_text(json.dumps([{"id": "1", "evaluation_criteria": {"actions": calls}}]))
    (tmp_path / "expected_train.json").write_text(
        json.dumps([{"task": "1", "changed": books_after_cancellation(), "actions": []}])
    )
    assert tasks_of(tmp_path, BOOKS) == [Task("1", [WHO, CANCEL], books_after_cancellation())]


async def test_no_attempt_gets_through_that_was_not_agreed_to(tmp_path: Path) -> None:
    """Rounds of every kind, on our own books."""
    made = await attempt(BOOKS, tmp_path, 100, seed=3)
    assert made.wrong == []
    assert len(made.made) == 8
