"""Changes of documents wait by tenant, in turns, and are searchable only when nothing before them is missing."""

from __future__ import annotations

from agent_worker.knowledge.ingest.index_queue import IndexQueue, IndexThrottle, PendingChange
from schemas.ports import Record


def record(tenant: str, document: str, offset: int, value: bytes | None = b"text", partition: int = 0) -> Record:
    key = f"{tenant}/{document}"
    return Record("parley.knowledge", partition, offset, key, 0, {}, value)


def build_queue(*places: tuple[str, str]) -> IndexQueue:
    """One change a document, at offsets 0, 1, 2 …"""
    queue = IndexQueue()
    for offset, (tenant, document) in enumerate(places):
        queue.put(tenant, document, record(tenant, document, offset))
    return queue


def take_batch(queue: IndexQueue, most: int = 10) -> tuple[str, list[tuple[str, PendingChange]]]:
    batch = queue.take(most)
    assert batch is not None
    return batch


def test_a_tenant_with_one_change_waits_for_one_portion_of_a_tenant_with_many() -> None:
    queue = build_queue(*(("import", f"d{n}") for n in range(100)), ("shop", "prices"))
    order = []
    for _ in range(3):
        tenant, batch = take_batch(queue, 5)
        order.append(tenant)
        queue.finish(tenant, [each for _, each in batch], [])
    assert order == ["import", "shop", "import"]


def test_no_tenant_is_given_out_twice_at_once() -> None:
    queue = build_queue(("shop", "a"), ("shop", "b"))
    tenant, batch = take_batch(queue, 1)
    assert queue.take(1) is None
    queue.finish(tenant, [each for _, each in batch], [])
    assert take_batch(queue)[1][0][0] == "b"


def test_a_later_change_replaces_one_that_waits_and_covers_it() -> None:
    queue = build_queue(("shop", "prices"), ("shop", "prices"))
    tenant, batch = take_batch(queue)
    assert [each.record.offset for _, each in batch] == [1]
    assert not queue.is_searchable("shop", {0: 0})
    queue.finish(tenant, [each for _, each in batch], [])
    assert queue.is_searchable("shop", {0: 1})


def test_the_rest_of_a_batch_comes_first_next_time_but_never_over_a_newer_change() -> None:
    queue = build_queue(("shop", "a"), ("shop", "b"), ("shop", "c"))
    tenant, batch = take_batch(queue, 2)
    queue.put("shop", "b", record("shop", "b", 3, b"newer"))
    queue.finish(tenant, [batch[0][1]], batch[1:])
    assert not queue.is_searchable("shop", {0: 1}), "b was not applied"
    tenant, batch = take_batch(queue)
    assert {name: each.record.offset for name, each in batch} == {"b": 3, "c": 2}
    queue.finish(tenant, [each for _, each in batch], [])
    assert queue.is_searchable("shop", {0: 3})


def test_another_tenants_backlog_is_not_waited_for() -> None:
    queue = build_queue(("import", "a"), ("shop", "b"))
    (_, imported), (tenant, batch) = take_batch(queue), take_batch(queue)
    queue.finish(tenant, [each for _, each in batch], [])
    assert queue.is_searchable("shop", {0: 1})
    assert not queue.is_searchable("import", {0: 0})
    assert not queue.is_everything_searchable({0: 0})
    queue.finish("import", [each for _, each in imported], [])
    assert queue.is_everything_searchable({0: 1})


def test_an_unread_offset_is_not_reached() -> None:
    queue = build_queue(("shop", "a"))
    assert not queue.is_searchable("shop", {0: 7})
    assert not queue.is_searchable("shop", {1: 0})


def test_a_record_that_is_read_again_is_not_applied_again() -> None:
    queue = build_queue(("shop", "a"))
    tenant, batch = take_batch(queue)
    queue.finish(tenant, [each for _, each in batch], [])
    assert not queue.put("shop", "a", record("shop", "a", 0))
    assert queue.take(1) is None


def test_the_size_of_what_waits_is_known() -> None:
    queue = IndexQueue()
    queue.put("shop", "a", record("shop", "a", 0, b"12345"))
    queue.put("shop", "a", record("shop", "a", 1, b"123"))
    queue.put("shop", "b", record("shop", "b", 2, None))
    assert queue.size == 3
    tenant, batch = take_batch(queue)
    assert queue.size == 0
    queue.finish(tenant, [], batch)
    assert queue.size == 3


def test_a_thousand_tenants_take_turns_in_the_order_of_their_first_changes() -> None:
    queue = build_queue(*((f"shop-{n % 1000}", f"d{n}") for n in range(2000)))
    order = []
    while (taken := queue.take(1)) is not None:
        tenant, batch = taken
        order.append(tenant)
        assert not queue.is_everything_searchable(queue.position)
        queue.finish(tenant, [each for _, each in batch], [])
    assert order == [f"shop-{n % 1000}" for n in range(2000)]
    assert queue.is_everything_searchable(queue.position)


def test_a_change_that_arrives_during_a_batch_of_its_tenant_waits_for_the_end_of_the_batch() -> None:
    queue = build_queue(("shop", "a"))
    tenant, batch = take_batch(queue)
    queue.put("shop", "b", record("shop", "b", 1))
    assert queue.take(1) is None
    assert not queue.is_everything_searchable({0: 0})
    queue.finish(tenant, [each for _, each in batch], [])
    assert queue.is_everything_searchable({0: 0})
    assert take_batch(queue)[1][0][0] == "b"


def test_an_import_rests_while_contacts_ask_and_hurries_when_they_do_not() -> None:
    now = 100.0
    throttle = IndexThrottle(lambda: now)
    unhindered = throttle.rest_after(0.010)
    throttle.note_search()
    beside_questions = throttle.rest_after(0.010)
    now += 5.0
    assert beside_questions > 0.010 > unhindered == throttle.rest_after(0.010)
