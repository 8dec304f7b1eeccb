"""Who reads what: partitions spread evenly over the members of a group, moving as few as possible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from schemas.ports import TopicPartition


def assign(
    partitions: Mapping[str, int],
    members: Mapping[str, Sequence[str]],
    preferred: Sequence[Mapping[str, Set[TopicPartition]]],
) -> dict[str, set[TopicPartition]]:
    """Partitions by member. ``partitions`` counts them by topic, ``members`` says who wants which topics.

    ``preferred`` lists claims, the strongest first: what a static member had before, what is held now. A member keeps
    what it claims as far as its fair share goes.
    """
    given: dict[str, set[TopicPartition]] = {member: set() for member in members}
    for topic in sorted(partitions):
        wanting = [member for member in members if topic in members[member]]
        if wanting:
            _spread(topic, partitions[topic], wanting, preferred, given)
    return given


def _spread(
    topic: str,
    count: int,
    wanting: list[str],
    preferred: Sequence[Mapping[str, Set[TopicPartition]]],
    given: dict[str, set[TopicPartition]],
) -> None:
    free = {TopicPartition(topic, number) for number in range(count)}
    share, spare = divmod(count, len(wanting))
    got = dict.fromkeys(wanting, 0)

    def take(member: str, partition: TopicPartition) -> None:
        nonlocal spare
        if got[member] == share:
            spare -= 1
        got[member] += 1
        given[member].add(partition)
        free.remove(partition)

    def has_room(member: str) -> bool:
        return got[member] < share or (got[member] == share and spare > 0)

    for claims in preferred:
        for member in wanting:
            for partition in sorted(claims.get(member, frozenset()) & free):
                if has_room(member):
                    take(member, partition)
    for partition in sorted(free):
        # Over all topics the least loaded goes first, so that the spare ones do not pile up on one member.
        take(min(filter(has_room, wanting), key=lambda member: (got[member] > share, len(given[member]))), partition)
