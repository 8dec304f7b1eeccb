"""Tests that failed because a wait ran out, told from those that found something wrong."""

from __future__ import annotations

import subprocess
from collections.abc import Generator

import pytest

from tests.run import WAIT_EXPIRED

PROPERTY = (WAIT_EXPIRED, True)


def is_expired_wait(error: BaseException | None) -> bool:
    """Return whether an error, its cause, or the error that was being handled is a timeout. Every error of a group has
    to be one."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, TimeoutError | subprocess.TimeoutExpired):
            return True
        if isinstance(error, BaseExceptionGroup):
            return all(is_expired_wait(each) for each in error.exceptions)
        error = error.__cause__ or error.__context__
    return False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note it in the report, which also comes from other processes."""
    report = yield
    if report.failed and call.excinfo is not None and is_expired_wait(call.excinfo.value):
        report.user_properties.append(PROPERTY)
    return report
