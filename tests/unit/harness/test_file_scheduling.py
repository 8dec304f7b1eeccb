"""Test files are distributed to the processes of a whole run."""

from __future__ import annotations

from tests.harness.file_scheduling import LONGEST, ONE_INSTALLATION, ONE_SITE, next_of, waits
from tests.harness.processes import ROOT

FILES = ["tests/deploy/test_a.py", "tests/faults/test_kills.py", "tests/unit/test_b.py", "tests/widget/test_c.py"]


def test_a_long_file_that_waits_goes_first() -> None:
    assert next_of(FILES, waiting=0, others=2) == "tests/faults/test_kills.py"


def test_one_process_computes_while_all_others_wait() -> None:
    assert next_of(FILES, waiting=2, others=2) == "tests/unit/test_b.py"


def test_nobody_idles_because_only_one_kind_is_left() -> None:
    waiting, computing = FILES[:2], FILES[2:]
    assert next_of(waiting, waiting=2, others=2) in waiting
    assert next_of(computing, waiting=0, others=2) in computing


def test_the_files_that_are_named_are_there_and_wait() -> None:
    named = {*LONGEST, *ONE_INSTALLATION} - {"one installation"}
    assert {file for file in named if not (ROOT / file).exists() or not waits(file)} == set()


def test_the_files_that_share_an_installation_are_those_that_ask_for_it() -> None:
    asking = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "tests" / "faults").glob("test_*.py")
        if "world: FaultyInstallation" in file.read_text()
    }
    assert asking == ONE_INSTALLATION


def test_the_files_that_share_a_site_are_those_that_ask_for_it() -> None:
    asking = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "tests" / "site").glob("test_*.py")
        if "site: Site)" in file.read_text()
    }
    assert asking == ONE_SITE
