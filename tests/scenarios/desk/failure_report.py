"""A report on a conversation that went wrong: what its vendor and the desk saw, what is on record, what the log says.
It is written beside the logs of the processes, which an operator keeps with ``--keep``."""

from __future__ import annotations

import traceback
from typing import Any

from tests.scenarios.desk.desk_scenario import Case
from tests.scenarios.evidence import LONGEST, describe_webhooks, names, record, wall
from tests.scenarios.scenario_installation import ScenarioInstallation


async def report_failure(stage: ScenarioInstallation, case: Case, error: BaseException) -> str:
    """While all is still there; the processes may be dead."""
    parts = {
        "what went wrong": traceback.format_exception(error),
        "what should be on the screen": [repr(line) for line in case.lines],
        "the screen": [f"{wall(each.at)} {each.text[:LONGEST]!r}" for each in case.talk.screen],
        "what was announced": list(describe_webhooks(case.talk)),
        "cards": [_told(case, post) for post in case.floor.roots()],
        "its thread": [_told(case, post) for post in (case.floor.posts() if case.floor.has_card else [])],
        "what is on record": [await record(stage, each) for each in names(case.talk)],
    }
    return "\n\n".join(f"── {title} ──\n" + "\n".join(lines) for title, lines in parts.items())


def _told(case: Case, post: Any) -> str:
    return f"{case.floor.name_of(post)} {case.floor.words(post)[:LONGEST]!r} {case.floor.about(post)[:LONGEST]}"
