"""Filters over all examples, the split by contact, and the data card."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent_worker.learning.finetune.data_card import describe_examples, render_card
from agent_worker.learning.finetune.example_filters import FilterOptions, filter_examples
from agent_worker.learning.finetune.text_similarity import find_similar_pairs, overlap, read_words
from agent_worker.learning.finetune.training_example import ChatMessage, CitedVersion, TrainingExample
from agent_worker.learning.finetune.training_files import (
    FileOptions,
    assign_split,
    read_card,
    write_training_files,
)
from agent_worker.models.prompt import NOT_FOUND
from schemas.errors import InvalidRequest

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def example(id: str, question: str, chosen: str, **more: Any) -> TrainingExample:
    fields: dict[str, Any] = {
        "conversation": f"talk-{id}",
        "contact": f"contact-{id}",
        "channel": "web",
        "at": NOW,
        "source": "person_wrote",
        "prompt": [ChatMessage(role="user", content=question)],
        "documents": [CitedVersion(document="care", version=3, location="care.md")],
        "language": "en",
    }
    return TrainingExample(id=id, question=question, chosen=chosen, **(fields | more))


def problems(examples: list[TrainingExample], **options: float) -> dict[str, str]:
    found = filter_examples(examples, FilterOptions(**options))
    assert {each.id for each in (*found.kept, *found.dropped)} == {each.id for each in examples}
    return {each.id: str(each.problem) for each in found.dropped}


def test_of_examples_that_say_the_same_the_best_stays() -> None:
    asked, said = (
        "How often should I water my flava in summer?",
        "Water it every two days with rain water from a clean barrel [1].",
    )
    older = example("older", asked, said, at=NOW - timedelta(days=3))
    newer = example("newer", asked.upper(), said)
    model = example("model", asked, f"Please {said}", source="draft_sent", at=NOW + timedelta(days=1))
    other = example("other", asked, "Every second day, and only if the top of the soil has dried out by noon [1].")
    assert problems([older, newer, model, other]) == {"older": "near_duplicate", "model": "near_duplicate"}


def test_a_question_that_somebody_answered_is_not_learned_as_declined() -> None:
    asked, said = "Do you ship on Saturdays in winter?", "Parcels leave on Mondays and Tuesdays only [1]."
    declined = example("declined", asked, NOT_FOUND, documents=[])
    other = example("other", "Do you repair old wooden greenhouses?", NOT_FOUND, documents=[])
    disliked = example("disliked", other.question, "", source="rejected", rejected="Try our returns page [1].")
    found = filter_examples([declined, other, disliked, example("answered", asked, said)])
    assert {each.id: each.problem for each in found.dropped} == {"declined": "not_grounded"}
    assert describe_examples(found)["declines"] == 1


def test_another_size_is_another_question_and_another_price_is_a_contradiction() -> None:
    small = example("small", "What does a flava in a pot of 9 cm cost?", "It costs 12.50 euro [1].")
    large = example("large", "What does a flava in a pot of 12 cm cost?", "It costs 19.50 euro [1].")
    wrong = example("wrong", "What does a flava in a pot of 12 cm cost?", "It costs 15.50 euro [1].")
    more = example("more", "What does a flava in a pot of 9 cm cost?", "It costs 12.50 euro, post is 4.90 euro [1].")
    assert problems([small, large, more]) == {}
    assert problems([small, large, wrong]) == {"large": "contradictory_figures", "wrong": "contradictory_figures"}


def test_a_long_text_of_the_agent_from_elsewhere_is_no_answer_of_a_person() -> None:
    text = "Parcels leave our nursery on Mondays and Tuesdays, and arrive two days later [1]."
    agent = example("agent", "When do you ship?", text, source="thumb_up")
    echo = example("echo", "On what day will it come?", text.replace(" [1]", ""))
    assert problems([agent, echo], model_share=1.0) == {"echo": "agent_echo"}


@pytest.mark.parametrize(("share", "models"), [(0.0, 0), (0.5, 4), (0.2, 1), (1.0, 6)])
def test_models_write_at_most_their_share(share: float, models: int) -> None:
    people = [example(f"p{n}", f"Question {word}?", f"Answer {word} [1].") for n, word in enumerate("abcd")]
    written = [
        example(f"m{n}", f"Other {word} {word}?", f"Said {word} {word} {word} [1].", source=source)
        for n, (word, source) in enumerate(
            zip("efghij", ["resolved", "thumb_up", "draft_sent", "resolved", "thumb_up", "resolved"], strict=True)
        )
    ]
    found = filter_examples([*people, *written], FilterOptions(share))
    kept = [each for each in found.kept if not each.by_person]
    assert len(kept) == models
    if 0 < models < 4:
        assert kept[0].source == "draft_sent", "the strongest approval stays"
    assert all(each.problem == "model_share" and not each.prompt for each in found.dropped)


def test_pairs_are_those_that_a_comparison_of_all_finds() -> None:
    texts = [read_words(f"{a} {b} {c} of the old pot {d}") for a in "ab" for b in "cd" for c in "ef" for d in "ghi"]
    for least in (0.5, 0.7, 0.9, 1.0):
        every = {
            (one, two) for two in range(len(texts)) for one in range(two) if overlap(texts[one], texts[two]) >= least
        }
        assert set(find_similar_pairs(texts, least)) == every


def test_a_contact_is_in_one_split_only_and_stays_there(tmp_path: Path) -> None:
    examples = [
        example(f"{n}-{part}", f"Question q{n}x{part}?", f"Answer a{n}x{part} [1].", contact=f"contact-{n}")
        for n in range(200)
        for part in range(2)
    ]
    found = filter_examples(examples)
    card = write_training_files(tmp_path / "data", found, FileOptions(tenant="shop", held_out=0.2), NOW)
    index = [json.loads(line) for line in (tmp_path / "data" / "examples.jsonl").read_text().splitlines()]
    splits: dict[str, set[str]] = {}
    for row in index:
        splits.setdefault(row["contact"], set()).add(row["split"])
    assert len(splits) == 200
    assert all(len(each) == 1 for each in splits.values())
    assert 20 <= card.splits["held-out"] <= 60
    assert card.files["sft.train.jsonl"] + card.files["sft.held-out.jsonl"] == 400
    assert all({assign_split(contact, 0.2, 1)} == split for contact, split in splits.items())
    assert any({assign_split(contact, 0.2, 2)} != split for contact, split in splits.items())


def test_the_card_says_what_was_used_and_what_was_dropped(tmp_path: Path) -> None:
    crisis = example("crisis", "q", "a").without_text("crisis")
    pair = example("pair", "Why so small?", "It grows slowly [1].", rejected="No idea.", reason="thumb", note="rude")
    found = filter_examples([pair, crisis])
    card = write_training_files(tmp_path / "data", found, FileOptions(tenant="shop", held_out=0.0), NOW)
    assert card == read_card(tmp_path / "data")
    assert card.files["kto.train.jsonl"] == 2
    assert [(each.problem, each.examples, each.conversations) for each in card.dropped] == [
        ("crisis", 1, ["talk-crisis"])
    ]
    page = render_card(card)
    for part in ("| crisis | 1 | the contact may have been in danger |", "| care | 3 | care.md | 1 |", "person_wrote"):
        assert part in page
    assert (tmp_path / "data" / "dpo.train.jsonl").stat().st_mode & 0o077 == 0, "only its owner may read it"


def test_other_files_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.md").write_text("mine")
    with pytest.raises(InvalidRequest):
        write_training_files(tmp_path, filter_examples([]), FileOptions(tenant="shop"), NOW)
    with pytest.raises(InvalidRequest):
        read_card(tmp_path)
