"""The view of a cluster from the answers of its nodes: the newest statement of most of them counts."""

from __future__ import annotations

from typing import Any

import pytest

from infra.bus.partitioner import SHARDS
from infra.state.redis.cluster.topology import (
    SLOTS,
    ClusterNode,
    merge_answers,
    parse_cluster_address,
    parse_nodes,
)
from infra.state.redis.settings import RedisSettings
from schemas.errors import ConfigInvalid

THIRDS = ((0, 5460), (5461, 10922), (10923, 16383))
PLACES = tuple(("127.0.0.1", port) for port in range(1, 7))


def node(
    number: int, *slots: tuple[int, int], epoch: int = 1, me: bool = False, replica: bool = False, down: bool = False
) -> ClusterNode:
    flags = {"myself"} if me else set()
    flags |= {"fail"} if down else set()
    return ClusterNode(str(number), PLACES[number], epoch, frozenset({*flags, "slave" if replica else "master"}), slots)


def answer(speaker: int, *, replaced: bool = False, down: bool = False) -> list[ClusterNode]:
    """What a node says of three primaries and the replica (3) of the first, before or after it was ``replaced``."""
    first = node(0, *(() if replaced else THIRDS[:1]), me=speaker == 0, down=down)
    slots, epoch = (THIRDS[:1], 9) if replaced else ((), 1)
    spare = node(3, *slots, epoch=epoch, me=speaker == 3, replica=not replaced)
    return [first, spare, node(1, THIRDS[1], me=speaker == 1), node(2, THIRDS[2], me=speaker == 2)]


def test_each_shard_has_a_slot_of_its_own_and_its_owner_is_found() -> None:
    assert len(set(SLOTS)) == SHARDS
    view = merge_answers([answer(0), answer(1), answer(2)])
    assert view.is_agreed
    assert view.primaries == {PLACES[0]: 1, PLACES[1]: 1, PLACES[2]: 1}
    assert [len(view.list_shards(place)) for place in PLACES[:4]] == [89, 85, 82, 0]


def test_the_newest_epoch_counts_whoever_says_so() -> None:
    view = merge_answers([answer(0), answer(1, replaced=True), answer(2)])
    assert view.owners[SLOTS.index(min(SLOTS))] == PLACES[3]
    assert view.primaries == {PLACES[3]: 9, PLACES[1]: 1, PLACES[2]: 1}


def test_a_primary_on_its_own_side_of_the_network_is_not_believed() -> None:
    assert not merge_answers([answer(0)]).is_agreed
    assert merge_answers([answer(1), answer(2)]).is_agreed
    view = merge_answers([answer(0), answer(3)])
    assert not view.is_agreed, "a replica has no vote"


def test_a_primary_that_most_call_down_serves_nothing_until_it_is_replaced() -> None:
    view = merge_answers([answer(1, down=True), answer(2, down=True)])
    assert view.is_agreed
    assert view.owners[SLOTS.index(min(SLOTS))] is None
    assert view.primaries.keys() == {PLACES[1], PLACES[2]}
    assert merge_answers([answer(0), answer(1, down=True), answer(2)]).owners.count(None) == 0


def test_names_are_used_where_certificates_are_checked_and_nodes_without_address_are_left_out() -> None:
    rows: dict[str, dict[str, Any]] = {
        ":7000": {
            "node_id": "a",
            "flags": "myself,master",
            "epoch": "3",
            "slots": [["0", "9"], ["11"]],
            "hostname": "x",
        },
        "10.0.0.2:7001": {"node_id": "b", "flags": "slave", "epoch": "3", "slots": [], "hostname": ""},
        ":0": {"node_id": "c", "flags": "master,noaddr", "epoch": "1", "slots": [], "hostname": ""},
    }
    first, second = parse_nodes(rows, ("me", 7000), prefers_names=False)
    assert (first.place, second.place) == (("me", 7000), ("10.0.0.2", 7001))
    assert [first.serves(slot) for slot in (9, 10, 11)] == [True, False, True]
    assert parse_nodes(rows, ("me", 7000), prefers_names=True)[0].place == ("x", 7000)


def test_an_address_names_nodes_and_a_login() -> None:
    address = parse_cluster_address("rediss+cluster://me:p%40ss@one:1,two,[::1]:3/0?ssl_check_hostname=false")
    assert address is not None
    assert address.nodes == (("one", 1), ("two", 6379), ("::1", 3))
    assert (address.is_encrypted, address.options["username"], address.options["password"]) == (True, "me", "p@ss")
    assert "p@ss" not in repr(address)
    assert parse_cluster_address("redis://one:1/0") is None


@pytest.mark.parametrize("rest", ["", "/0", "one:port", "one:1/2", "one:1/shop"])
def test_an_address_that_cannot_be_read_says_how_to_write_it(rest: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        RedisSettings().check_address(f"redis+cluster://{rest}")
    assert "host1:6379" in caught.value.fix


def test_a_database_among_the_options_is_refused() -> None:
    with pytest.raises(ConfigInvalid, match="only the database 0"):
        parse_cluster_address("redis+cluster://one:1?db=3")
