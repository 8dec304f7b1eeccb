"""The process that finds groups of failures in a file of grouped events. It alone loads scikit-learn, and it ends
afterwards, so that neither its time nor its memory is taken from customers."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from agent_worker.isolated_process import Answer, serve
from agent_worker.knowledge.vectors.encoder import light_encoder
from agent_worker.learning.insights.failure_signals import read_questions
from agent_worker.learning.insights.report import InsightReport
from agent_worker.learning.insights.report_builder import build_report
from gateway.insights.timelines import iterate_timelines
from gateway.training_export.conversation_grouping import read_active_conversations

MAX_CONVERSATIONS = 40_000
"""With more conversations a sample of them is read, so that the analysis stays below 400 MB."""


def analyze(path: Path, since: datetime, until: datetime) -> InsightReport:
    """Find the groups of the period in the file of a ``ConversationGrouping``."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        connection.execute("PRAGMA temp_store = MEMORY").close()
        (count,) = connection.execute("SELECT count(DISTINCT conversation) FROM facts").fetchone()
        every = max(1, -(-count // MAX_CONVERSATIONS))
        timelines = iterate_timelines(islice(read_active_conversations(connection, since), None, None, every))
        questions = [question for timeline in timelines for question in read_questions(timeline, since, until)]
    return build_report(questions, light_encoder(), since, until, sampled_every=every)


def _answer(request: dict[str, Any], _: bytes) -> Answer:
    since, until = datetime.fromisoformat(request["since"]), datetime.fromisoformat(request["until"])
    return analyze(Path(request["path"]).absolute(), since, until).model_dump(mode="json"), b""


if __name__ == "__main__":
    # The file is our own, and its sorting may need more memory than a stranger's picture.
    serve(_answer, limited=False)
