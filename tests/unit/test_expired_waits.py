"""A test of which only a wait ran out is repeated alone; a wrong result stays one."""

from __future__ import annotations

import asyncio
import subprocess

import pytest

from tests import run
from tests.harness.expired_waits import is_expired_wait

pytest_plugins = ["pytester"]

TESTS = """
from pathlib import Path

def fail_at_first(name, error):
    runs = Path(name)
    runs.write_text(runs.read_text() + "." if runs.exists() else ".")
    if len(runs.read_text()) == 1:
        raise error

def test_slow():
    try:
        fail_at_first("slow", TimeoutError())
    except TimeoutError:
        raise AssertionError("heard nothing") from None

def test_wrong():
    fail_at_first("wrong", AssertionError())

def test_always_slow():
    raise TimeoutError
"""
CONFTEST = "from tests.harness.expired_waits import pytest_runtest_makereport as pytest_runtest_makereport"


@pytest.fixture
def tally(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> run.Tally:
    monkeypatch.setenv("PYTHONPATH", str(run.ROOT))
    monkeypatch.setattr(run, "ROOT", pytester.path)
    pytester.makeconftest(CONFTEST)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    return run.Tally()


def test_only_what_passes_twice_alone_is_forgiven(pytester: pytest.Pytester, tally: run.Tally) -> None:
    head, always = TESTS.split("def test_always_slow")
    pytester.makepyfile(test_some=head, test_other=f"def test_always_slow{always}")
    pytester.inline_run(plugins=[tally])
    assert tally.closing_line() == "0 passed, 3 failed, 0 skipped"
    run.repeat_expired_waits(tally)
    assert tally.passed == {"test_some.py::test_slow"}
    assert tally.failed == {"test_some.py::test_wrong", "test_other.py::test_always_slow"}
    assert (pytester.path / "slow").read_text() == "..."
    assert (pytester.path / "wrong").read_text() == "."


def test_waits_that_ran_out_in_many_files_are_not_repeated(pytester: pytest.Pytester, tally: run.Tally) -> None:
    pytester.makepyfile(**{f"test_{number}": TESTS for number in range(run.MOST_REPEATED + 1)})
    pytester.inline_run(plugins=[tally])
    failed = set(tally.failed)
    run.repeat_expired_waits(tally)
    assert tally.failed == failed


def test_what_counts_as_a_wait_that_ran_out() -> None:
    async def wait() -> None:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError) as caught:
        asyncio.run(wait())
    late, wrong = caught.value, AssertionError("wrong")
    assert is_expired_wait(late)
    assert is_expired_wait(subprocess.TimeoutExpired("parley", 5))
    assert is_expired_wait(ExceptionGroup("two", [late, late]))
    assert not is_expired_wait(ExceptionGroup("two", [late, wrong]))
    assert not is_expired_wait(wrong)
