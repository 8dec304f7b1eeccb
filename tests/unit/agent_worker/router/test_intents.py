"""Intents learned from examples, kept in a file, read from messages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent_worker.knowledge.vectors.encoder import light_encoder
from agent_worker.router import artifact
from agent_worker.router.features import embed_texts
from agent_worker.router.intents import IntentModel, IntentResult
from agent_worker.router.logistic_regression import fit_logistic, reduce_columns
from agent_worker.router.rules import NO_INTENT
from agent_worker.router.training import train
from schemas.errors import ConfigInvalid, SetupError
from tests.unit.agent_worker.router.examples import EXAMPLES, STRANGE, UNSEEN

ENCODER = light_encoder()


@pytest.fixture(scope="module")
def model() -> IntentModel:
    return train(EXAMPLES, ENCODER)[0]


def read(model: IntentModel, text: str) -> IntentResult:
    return model.classify(text, embed_texts([text], ENCODER)[0])


def test_messages_that_were_never_shown_are_read_right(model: IntentModel) -> None:
    """In other words than any example's; at most one of eight is mistaken, and the shares are probabilities."""
    readings = {text: read(model, text) for text in UNSEEN}
    assert sum(readings[text].intent == intent for text, intent in UNSEEN.items()) >= len(UNSEEN) - 1
    assert all(0 < each.confidence <= 1 and sum(each.shares.values()) <= 1.001 for each in readings.values())


def test_an_unusual_message_has_lower_energy_than_a_familiar_one(model: IntentModel) -> None:
    known = [read(model, text).energy for text in UNSEEN]
    strange = [read(model, text).energy for text in STRANGE]
    assert np.mean([one > other for one in known for other in strange]) > 0.8


def test_examples_of_the_unknown_set_the_border_and_are_no_intent() -> None:
    made, worth = train(EXAMPLES | {NO_INTENT: STRANGE}, ENCODER)
    assert NO_INTENT not in made.names
    assert worth.told_apart >= 0.5
    assert worth.strange <= 0.15, "few of the tenant's own messages are taken for strange"


def test_words_alone_will_do_without_an_encoder() -> None:
    made, _ = train(EXAMPLES, None)
    assert made.encoder == ""
    assert made.classify("reset the password please", embed_texts([""], None)[0]).intent == "login"


def test_the_same_examples_in_any_order_give_the_same_version() -> None:
    backwards = {name: tuple(reversed(EXAMPLES[name])) for name in reversed(EXAMPLES)}
    assert artifact.examples_version(backwards) == artifact.examples_version(EXAMPLES)
    assert artifact.examples_version(EXAMPLES | {"login": EXAMPLES["login"][1:]}) != artifact.examples_version(EXAMPLES)


def test_a_file_gives_back_what_was_learned(tmp_path: Path, model: IntentModel) -> None:
    """As good as: weights are kept in half precision. Only for the examples it was learned from."""
    file, worth = tmp_path / "folder" / "shop.npz", train(EXAMPLES, ENCODER)[1]
    artifact.save_model(file, model, artifact.examples_version(EXAMPLES), worth)
    back = artifact.load_model(file, artifact.examples_version(EXAMPLES))
    for text in UNSEEN:
        assert read(back, text).intent == read(model, text).intent
        assert read(back, text).energy == pytest.approx(read(model, text).energy, abs=0.01)
    with pytest.raises(SetupError, match="learned from other examples"):
        artifact.load_model(file, "another version")
    assert [path.name for path in file.parent.iterdir()] == ["shop.npz"], "no draft is left"


@pytest.mark.parametrize("content", [b"", b"not numbers", b"PK\x03\x04 cut off"])
def test_a_file_of_another_kind_is_refused_and_one_that_is_not_there_is_told(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "shop.npz"
    with pytest.raises(SetupError, match="no intents have been learned yet"):
        artifact.load_model(file, "any")
    file.write_bytes(content)
    with pytest.raises(ConfigInvalid, match="not a file that `parley route train` has written"):
        artifact.load_model(file, "any")


@pytest.mark.parametrize(
    ("examples", "said"),
    [
        ({"one": ("a", "b")}, "at least two intents"),
        ({"one": ("a", "b"), "two": ("c", "c")}, "routes.examples.two: needs at least two examples"),
        ({"one": ("a", "b"), NO_INTENT: ("c", "d")}, "at least two intents"),
    ],
)
def test_too_few_examples_are_refused(examples: dict[str, tuple[str, ...]], said: str) -> None:
    with pytest.raises(ConfigInvalid, match=said):
        train(examples, ENCODER)


def test_narrowing_a_table_does_not_change_what_is_fitted() -> None:
    """Fewer rows than columns: the weights that are led back judge as those fitted on all columns do."""
    numbers = np.random.default_rng(7)
    table = numbers.normal(size=(30, 80)).astype(np.float32)
    labels = np.arange(30) % 3
    narrow, back = reduce_columns(table)
    assert narrow.shape[1] <= 30
    assert back is not None
    small, whole = fit_logistic(narrow, labels, 3, 1.0), fit_logistic(table, labels, 3, 1.0)
    assert np.allclose(table @ (back @ small[:-1]) + small[-1], table @ whole[:-1] + whole[-1], atol=0.05)
