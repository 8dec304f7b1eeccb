"""Fitting of the weights: labels of passages, held-out trades, and what the command prints."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from agent_worker.knowledge.quality.grades import normalize, strip_number
from agent_worker.knowledge.quality.suite import Case, read_suite
from agent_worker.knowledge.ranking import calibration
from agent_worker.knowledge.ranking.logistic_fit import auroc
from agent_worker.knowledge.ranking.training_sets import (
    TrainingSet,
    index_documents,
    read_documents,
    read_questions,
    read_sets,
    read_threads,
    right_passages,
    thread_cases,
    thread_documents,
)
from agent_worker.knowledge.text.documents import ENDINGS, read_file

THINGS = ("heat pack", "ceramic pot", "glass tank", "peat moss")
TRADES = {"north": THINGS[:2], "south": THINGS[2:]}


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    """A file of two trades; one has a suite, the other JSON lines."""
    for trade, things in TRADES.items():
        (tmp_path / trade / "docs").mkdir(parents=True)
        for thing in things:
            text = (
                f"# {thing}\n\n## Price\n\nOne {thing} costs 4 euro.\n\n## Returns\n\nSend the {thing} back in a month."
            )
            (tmp_path / trade / "docs" / f"{thing.replace(' ', '-')}.md").write_text(text)
    rows: list[dict[str, str | None]] = []
    for thing in TRADES["north"]:
        place = f"{thing.replace(' ', '-')}#Price"
        rows.append({"q": f"what does the {thing} cost", "source": place, "answer": f"One {thing} costs 4 euro."})
    rows.append({"q": "who sang at the opera", "source": None, "answer": None})
    (tmp_path / "north" / "asked.jsonl").write_text("\n".join(map(json.dumps, rows)))
    cases: list[dict[str, object]] = [
        {"id": thing, "question": f"can I send the {thing} back", "must_cite": [thing.replace(" ", "-")]}
        for thing in TRADES["south"]
    ]
    cases.append({"id": "opera", "question": "who composed this opera", "must_decline": True})
    cases.append({"id": "german", "question": "Was kostet das?", "language": "de", "must_contain": ["4 euro"]})
    (tmp_path / "south" / "asked.yaml").write_text(yaml.safe_dump({"cases": cases}))
    listed = [
        {"trade": trade, "knowledge": f"{trade}/docs", "questions": [f"{trade}/asked.{ending}"]}
        for trade, ending in (("north", "jsonl"), ("south", "yaml"))
    ]
    (tmp_path / "sets.yaml").write_text(yaml.safe_dump(listed))
    return tmp_path / "sets.yaml"


def _rankings(sets: Path) -> list[calibration.Ranking]:
    found: list[calibration.Ranking] = []
    for given in read_sets(sets):
        with tempfile.TemporaryDirectory() as folder:
            index = index_documents(read_documents(given.knowledge), Path(folder), None)
            found += calibration.rank_all(index, given.trade, read_questions(given), None)
            index.close()
    return found


def test_only_labelled_single_questions_in_english_are_fitted(sets: Path) -> None:
    north, south = map(read_questions, read_sets(sets))
    assert [case.must_decline for case in north] == [False, False, True]
    assert [case.id for case in south] == ["glass tank", "peat moss", "opera"]


def test_the_passage_that_answers_is_right(sets: Path) -> None:
    """A named section counts, not its document; of a question that names documents only, all passages count."""
    counts = {each.asked.say: sum(each.right) for each in _rankings(sets)}
    assert counts["what does the heat pack cost"] == 1
    assert counts["can I send the glass tank back"] == 2


def test_of_several_passages_of_a_section_the_one_with_the_answer_is_right(tmp_path: Path) -> None:
    parts = [" ".join(f"{word}{number}" for number in range(120)) for word in ("moss", "peat")]
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "soil.md").write_text(f"# Soil\n\n## Mix\n\n{parts[0]}\n\n{parts[1]}\n")
    asked = _case(sources=["soil#Mix"], must_contain=["peat7"])
    index = index_documents(read_documents(tmp_path / "docs"), tmp_path / "index", None)
    (ranking,) = calibration.rank_all(index, "soil", [asked], None)
    right = {passage.order: right for passage, right in zip(ranking.figures.passages, ranking.right, strict=True)}
    assert right == {0: False, 1: True}
    assert right_passages(_case(sources=["soil#Mix"], must_contain=["nowhere"]), ranking.figures.passages) == [True] * 2


def _case(**rules: Sequence[str]) -> Case:
    (case,) = read_suite({"cases": [{"id": "one", "question": "are moss1 and peat1 in it", **rules}]}).cases
    return case


def test_a_trade_is_scored_without_its_own_labels(sets: Path) -> None:
    """Other labels of a trade change nothing of what is said about it, but what is said about the other trade."""
    rankings = _rankings(sets)
    before = {each.asked.say: each.sure for each in calibration.cross_validate(rankings, "words")}
    flipped = [
        replace(each, right=[not right for right in each.right]) if each.trade == "north" else each for each in rankings
    ]
    after = {each.asked.say: each.sure for each in calibration.cross_validate(flipped, "words")}
    own = [each.asked.say for each in rankings if each.trade == "north"]
    assert [after[text] for text in own] == [before[text] for text in own]
    assert after != before


def test_threads_are_ranked_and_fitted_on_one_half(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sets: Path
) -> None:
    """Confidence is not fitted on them."""
    entries = [
        {"question": f"How do I {verb} a fern?", "rephr": [f"{verb} my fern", "*"], "answer": answers}
        for verb, answers in (
            ("water", ["Water it twice a week.", "Use rain water."]),
            ("repot", "Repot ferns in spring."),
            ("cut", "Nobody has to cut a fern."),
        )
    ]
    file = tmp_path / "threads.json"
    file.write_text(json.dumps({"root": {"qapair": entries}}))
    threads = read_threads(file)
    assert [thread.paraphrases for thread in threads] == [["water my fern"], ["repot my fern"], ["cut my fern"]]
    assert [document.title for document in thread_documents(threads)][:2] == ["How do I water a fern?"] * 2
    assert {len(case.must_cite) for case in thread_cases(threads)} <= {1, 2}
    assert 0 < len(thread_cases(threads)) < len(threads), "the quoted half is not fitted on"
    rankings, (in_threads, *_) = _rankings(sets), calibration.rank_threads(threads, None)
    flipped = replace(in_threads, right=[not right for right in in_threads.right])
    first, second = (calibration.fit(rankings, "words", [each]) for each in (in_threads, flipped))
    assert first.fusion != second.fusion
    calibration.main([str(sets), "--threads", str(file)])
    assert "FUSION {" in capsys.readouterr().out


def test_the_command_prints_figures_by_trade_and_weights(sets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calibration.main([str(sets)])
    said = capsys.readouterr().out
    for kind in ("light", "words"):
        assert f"({kind})" in said
    assert said.count("north") == said.count("south") == 2
    assert said.count("FUSION {") == said.count("WEIGHTS {") == said.count("RELATED_ABOVE ") == 2


def test_auroc_is_the_chance_of_the_right_order() -> None:
    assert auroc([(2.0, True), (1.0, False)]) == 1.0
    assert auroc([(1.0, True), (1.0, False), (0.0, True), (2.0, False)]) == pytest.approx(0.125)
    assert auroc([(1.0, True)]) is None


def test_the_training_sets_are_complete() -> None:
    """Every question that a document answers names a section that is there."""
    listed = read_sets(Path(__file__).parents[2] / "answers" / "training" / "sets.yaml")
    assert len({each.trade for each in listed}) == len(listed) >= 14
    for given in listed:
        documents = {path.stem: read_file(path).body for path in given.knowledge.iterdir() if path.suffix in ENDINGS}
        missing = [source for source in _sources(given) if not _has_section(documents, source)]
        assert missing == [], given.trade


def _sources(given: TrainingSet) -> list[str]:
    return [source for case in read_questions(given) for source in case.sources]


def _has_section(documents: dict[str, str], source: str) -> bool:
    document, heading = source.split("#", 1)
    wanted = normalize(strip_number(heading))
    return any(normalize(line.lstrip("# ")) == wanted for line in documents[document].splitlines())
