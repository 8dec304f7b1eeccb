"""A group divides its partitions among its members."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from infra.bus.sqlite.group import assign
from schemas.ports import TopicPartition

TOPICS = ["alpha", "beta", "gamma"]
Members = dict[str, list[str]]

counts = st.fixed_dictionaries({topic: st.integers(1, 30) for topic in TOPICS})
members = st.dictionaries(
    st.sampled_from([f"m{n}" for n in range(8)]), st.lists(st.sampled_from(TOPICS), min_size=1, unique=True), min_size=1
)


@given(partitions=counts, before=members, after=members)
def test_every_partition_has_one_owner_who_wants_it_and_shares_are_even(
    partitions: dict[str, int], before: Members, after: Members
) -> None:
    """Whatever was held before: no partition twice, none left over, and no two shares of a topic differ by over one."""
    held = assign(partitions, before, [])
    given_ = assign(partitions, after, [held])
    for topic, count in partitions.items():
        wanting = [member for member in after if topic in after[member]]
        shares = {member: [p for p in given_[member] if p.topic == topic] for member in after}
        assert all(not shares[member] for member in after if member not in wanting)
        if wanting:
            owned = sorted(partition for share in shares.values() for partition in share)
            assert owned == [TopicPartition(topic, number) for number in range(count)]
            sizes = [len(shares[member]) for member in wanting]
            assert max(sizes) - min(sizes) <= 1


@given(partitions=counts, group=members)
def test_nothing_moves_when_nothing_changes(partitions: dict[str, int], group: Members) -> None:
    """Assigning again gives the same."""
    held = assign(partitions, group, [])
    assert assign(partitions, group, [held]) == held


def test_a_joining_member_takes_only_its_share() -> None:
    """Nothing moves between those who were there."""
    before = assign({"alpha": 12}, {"a": ["alpha"], "b": ["alpha"]}, [])
    after = assign({"alpha": 12}, {"a": ["alpha"], "b": ["alpha"], "c": ["alpha"]}, [before])
    assert after["a"] < before["a"]
    assert after["b"] < before["b"]
    assert len(after["c"]) == 4


def test_a_returning_member_s_claim_is_the_strongest() -> None:
    """It gets back what others have held meanwhile."""
    first = assign({"alpha": 7}, {"a": ["alpha"], "b": ["alpha"]}, [])
    meanwhile = assign({"alpha": 7}, {"b": ["alpha"]}, [first])
    again = assign({"alpha": 7}, {"b": ["alpha"], "a": ["alpha"]}, [{"a": first["a"]}, meanwhile])
    assert again == first
