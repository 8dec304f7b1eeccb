"""Reassigned and shared numbers never lead anybody to somebody else's conversation."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from infra.state import contact_merging
from schemas.conversation import Contact
from schemas.messages import Address
from schemas.ports import ContactUpdate
from tests.harness.sizes import size

START = datetime(2026, 1, 1, tzinfo=UTC)
PEOPLE, NUMBERS = 4, 3


def address(value: str) -> Address:
    return Address(channel="whatsapp", value=value, assurance="channel")


@dataclass
class Store:
    """As the adapters keep it: an address leads to who has it, else had it last."""

    contacts: dict[str, Contact] = field(default_factory=dict)
    merged: dict[str, str] = field(default_factory=dict)
    index: dict[str, str] = field(default_factory=dict)
    now: datetime = START

    def resolve(self, *values: str, change: ContactUpdate | None = None) -> str:
        asked = [address(value) for value in values]
        found = {contact.id: contact for value in values if (contact := self._behind(value))}
        seen = contact_merging.resolve_contact(
            list(found.values()), "shop", "whatsapp", "main", values[0], asked, self.now, change
        )
        for contact in seen.changed:
            self.contacts[contact.id] = contact
            self.index |= {each.value: contact.id for each in contact.addresses}
            for each in contact.left:
                self.index.setdefault(each.value, contact.id)
        self.merged |= dict.fromkeys(seen.merged_ids, seen.contact.id)
        return seen.conversation

    def _behind(self, value: str) -> Contact | None:
        id_ = self.index.get(value)
        while id_ in self.merged:
            id_ = self.merged[id_]
        return self.contacts.get(id_) if id_ else None


Steps = st.lists(
    st.tuples(
        st.sampled_from(["by_user_id", "by_both", "by_number", "by_number", "moves", "moves", "silently"]),
        st.integers(0, PEOPLE - 1),
        st.integers(0, NUMBERS - 1),
        st.booleans(),
    ),
    min_size=40,
    max_size=60,
)


@settings(max_examples=size(100, full=300), deadline=None)
@given(Steps)
def test_a_conversation_is_one_persons_whoever_has_the_number_now(steps: list[tuple[str, int, int, bool]]) -> None:
    """A person's user id is theirs for good; a number has one owner at a time. The vendor tells of each move, once or
    again much later. It may say nothing when somebody leaves who has written with both; then the number alone says
    nothing until its next owner has written with both, too."""
    store, told = Store(), list[tuple[tuple[str, ...], ContactUpdate]]()
    owner, known, both = dict[str, int](), dict[str, bool](), set[str]()
    spoke: dict[str, set[int]] = {}
    for kind, person, n, again in steps:
        store.now += timedelta(minutes=1)
        user, number = f"U{person}", f"+{n}"
        mine = next((value for value, whose in owner.items() if whose == person), "")
        if kind in ("moves", "silently"):
            if number not in owner and (kind == "moves" or not mine or mine in both):
                owner.pop(mine, None)
                owner[number] = person
                known[number] = known.get(number, True)
                if mine and kind == "moves":
                    told.append(((user, mine, number), ContactUpdate(at=store.now, moved=True, left=[address(mine)])))
                    store.resolve(*told[-1][0], change=told[-1][1])
                    known[number] = known[mine] = True
                elif mine:
                    known[mine] = False
                both.discard(mine)
            if again and told:
                store.resolve(*told[0][0], change=told[0][1])
        elif kind == "by_user_id" or (mine and (kind == "by_both" or known[mine])):
            values = {"by_user_id": (user,), "by_both": (user, mine), "by_number": (mine,)}[kind]
            if kind == "by_both":
                known[mine] = True
                both.add(mine)
            spoke.setdefault(store.resolve(*values), set()).add(person)
    assert all(len(people) == 1 for people in spoke.values()), spoke
