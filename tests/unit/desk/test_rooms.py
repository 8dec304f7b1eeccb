"""The desk's own README leads to every one of its modules, and its rooms know what it says that they know."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

from tests.harness.processes import ROOT

DESK = ROOT / "connectors" / "slack" / "desk"
IMPORTED = re.compile(r"^from connectors\.slack\.desk(?:\.(\w+))? import (.+)$", re.MULTILINE)
SHARED = "What all of them know"
SHOWN = "What is shown"


def rooms() -> dict[str, list[str]]:
    """By name, as the README has them."""
    text = (DESK / "README.md").read_text()
    titles = [(found[1], found.end()) for found in re.finditer(r"^\*\*(.+?)\*\*", text, re.MULTILINE)]
    ends = [start for _, start in titles[1:]] + [len(text)]
    return {
        title: [name for row in re.findall(r"^\| (`.+?) \|", text[start:end], re.MULTILINE) for name in _names(row)]
        for (title, start), end in zip(titles, ends, strict=True)
    }


def _names(row: str) -> list[str]:
    return re.findall(r"`(\w+)`", row)


def known_to(path: Path) -> set[str]:
    found: set[str] = set()
    for module, names in IMPORTED.findall(path.read_text()):
        found |= {module} if module else {name.strip() for name in names.split(",")}
    return found


def test_every_module_stands_there_once() -> None:
    named = [name for names in rooms().values() for name in names]
    assert sorted(named) == sorted(path.stem for path in DESK.glob("*.py") if path.stem != "__init__")


def test_what_is_shown_knows_nothing_of_how_people_came_in_nor_the_other_way_round() -> None:
    """So each can be read by itself. Of the rooms of people's acts each knows only those before it."""
    ways_in = [room for room in rooms() if room not in (SHOWN, SHARED)]
    of = {name: room for room, names in rooms().items() for name in names}
    known = {(of[path.stem], of[name]) for path in DESK.glob("*.py") if path.stem in of for name in known_to(path)}
    crossing = {(one, other) for one, other in known if one != other and other != SHARED}
    assert (ways_in[1], ways_in[0]) in crossing
    assert crossing <= {(late, early) for early, late in combinations(ways_in, 2)}
