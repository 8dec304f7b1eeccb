"""Questions in other languages than the documents': which are encoded apart, what they find, and hostile texts."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.ranking.search import choose_encoders, search_index
from agent_worker.knowledge.vectors import multilingual_encoder
from agent_worker.knowledge.vectors.encoder import Encoder, light_encoder
from agent_worker.knowledge.vectors.language_map import fit_map
from agent_worker.knowledge.vectors.multilingual_encoder import MultilingualEncoder, open_multilingual, plain_text
from agent_worker.knowledge.vectors.onnx_encoder import open_folder
from agent_worker.nlu.danger_similarity import EXAMPLES, MIN_SIMILARITY
from infra.deploy import encoder as fetching
from schemas.conversation import Document
from tests.unit.agent_worker.worker_environment import world_at

if TYPE_CHECKING:
    from agent_worker.knowledge.vectors.encoder import Vectors

NOW = datetime(2026, 3, 2, tzinfo=UTC)
SHOP = {
    "Returns": "## Sending goods back\n\nSend unused goods back within 30 days. We refund the price in five days.",
    "Delivery": "## Delivery time\n\nA parcel arrives after two working days.\n\n## Price\n\nShipping costs 5 euros.",
    "Visits": "## Opening hours\n\nThe nursery is open from Monday to Friday, nine to five.",
}
LADEN = {
    "Versand": "## Lieferzeit\n\nEin Paket kommt nach zwei Werktagen an. Der Versand kostet fünf Euro im ganzen Land.",
    "Besuche": "## Öffnungszeiten\n\nDie Gärtnerei ist von Montag bis Freitag von neun bis fünf Uhr geöffnet.",
}
ASKED = {
    "de": "An welchen Tagen habt ihr geöffnet?",
    "es": "¿Qué días está abierto el vivero?",
    "pl": "W jakie dni jest otwarte?",
    "tr": "Hangi günler açıksınız?",
    "ru": "По каким дням вы открыты?",
    "ja": "何曜日に営業していますか？",
    "ar": "في أي أيام تفتحون أبوابكم؟",
}


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    light = light_encoder()
    assert light is not None
    return open_folder(fetching.fetch(), light)


@pytest.fixture(scope="module")
def multilingual(encoder: Encoder) -> Encoder:
    assert encoder.multilingual is not None, "the development tools include it"
    return encoder.multilingual


def make_index(folder: Path, encoder: Encoder, *documents: tuple[dict[str, str], str]) -> TenantIndex:
    """An index of texts by title, with the language that they declare."""
    index = TenantIndex(folder, encoder)
    made = [
        Document(id=title, title=title, body=body, version=1, updated_at=NOW, language=language)
        for texts, language in documents
        for title, body in texts.items()
    ]
    index.apply([index.prepare(document, "1") for document in made])
    return index


@pytest.mark.parametrize("language", ASKED)
def test_a_question_in_another_language_is_offered_its_english_section(
    language: str, encoder: Encoder, tmp_path: Path
) -> None:
    index = make_index(tmp_path, encoder, (SHOP, ""))
    found = search_index(index, "shop", ASKED[language], NOW, encoder, language=language)
    assert found.suggestable
    assert "Opening hours" in [passage.heading for passage in found.passages[:2]]


def test_questions_of_the_same_form_are_offered_across_languages(encoder: Encoder, tmp_path: Path) -> None:
    """Which of them is meant is one word, and that is in another language."""
    fur, silk = (f"## Do you clean {what}?\n\nYes, {what} takes three days." for what in ("fur", "silk"))
    asked = "Reinigen Sie Pelze?"
    alone = make_index(tmp_path / "alone", encoder, ({"Cleaning": fur}, ""))
    beside = make_index(tmp_path / "beside", encoder, ({"Cleaning": f"{fur}\n\n{silk}"}, ""))
    found = [search_index(index, "shop", asked, NOW, encoder, language="de", above=0.3) for index in (alone, beside)]
    assert [each.answerable for each in found] == [True, False]
    assert found[1].suggestable


def test_without_documents_nothing_is_found_across_languages(encoder: Encoder, tmp_path: Path) -> None:
    index = make_index(tmp_path, encoder, (SHOP, ""))
    index.apply([], list(SHOP))
    found = search_index(index, "shop", ASKED["de"], NOW, encoder, language="de")
    assert (found.passages, found.answerable) == ([], False)


def test_questions_of_the_same_meaning_are_near_in_the_documents_space(encoder: Encoder, multilingual: Encoder) -> None:
    """Nearer than any other question, of those that the sentence encoder itself encodes in English."""
    english = ["On which days are you open?", "How do I pay?", "Is aloe poisonous for cats?"]
    near = multilingual.encode_query(list(ASKED.values())) @ encoder.encode_query(english).T
    assert near.argmax(axis=1).tolist() == [0] * len(ASKED)


def test_a_text_has_the_same_vector_alone_and_beside_others(multilingual: Encoder) -> None:
    texts = list(ASKED.values())
    together = multilingual.encode_query(texts)
    assert np.linalg.norm(together, axis=1) == pytest.approx(1.0, abs=1e-4)
    with ThreadPoolExecutor(4) as pool:
        alone = list(pool.map(lambda text: multilingual.encode_query([text])[0], texts * 3))
    assert np.stack(alone) == pytest.approx(np.concatenate([together] * 3), abs=1e-5)
    assert multilingual.encode_query([]).shape == (0, multilingual.size)


@pytest.mark.parametrize(
    "text",
    ["", " ", "\0", "\ud800 half", "ﷺ" * 8_000, "\U0001f9ff" * 8_000, "ǅ̧̛" * 3_000, "a" * 9_000, "\ufffe\u200d\u202e"],
)
def test_any_text_gets_a_vector(text: str, multilingual: Encoder) -> None:
    """None ends the process: the library reserves four characters for each byte, and U+FDFA has three for 18."""
    (vector,) = multilingual.encode_query([text])
    assert float(np.linalg.norm(vector)) == pytest.approx(1.0, abs=1e-4)


def test_a_text_is_short_and_plain_before_the_library_reads_it() -> None:
    plain = plain_text("\ufdfa" * 8_000)
    assert "\ufdfa" not in plain
    assert len(plain) <= 600
    assert plain_text("\udc80ﬁ") == "?fi"


class RefusingModel:
    """A model that no question may reach."""

    def query(self, texts: list[str]) -> Vectors:
        raise AssertionError(texts)


def test_the_model_is_loaded_with_the_first_question(encoder: Encoder) -> None:
    """Not for documents, nor for words."""
    loads: list[int] = []

    def load() -> RefusingModel:
        loads.append(1)
        return RefusingModel()

    lazy = MultilingualEncoder(encoder, np.zeros((encoder.size + 1, encoder.size), np.float16), load)
    assert lazy.encode(["a text"]) == pytest.approx(encoder.encode(["a text"]), abs=1e-6)
    lazy.encode_words(["word"])
    assert loads == []
    with pytest.raises(AssertionError):
        lazy.encode_query(["una pregunta"])
    assert loads == [1]


def kinds(chosen: Sequence[Encoder | None]) -> list[str]:
    return [each.kind for each in chosen if each is not None]


def test_only_questions_in_other_languages_are_encoded_apart(encoder: Encoder, tmp_path: Path) -> None:
    """Nor are texts in English of somebody who writes another language, such as a heading that was picked."""
    index = make_index(tmp_path, encoder, (SHOP, ""))
    german, english = ASKED["de"], "When are you open in the holidays?"
    assert kinds(choose_encoders(index, english, encoder, "en-GB")) == ["strong"]
    assert kinds(choose_encoders(index, english, encoder, "")) == ["strong"]
    assert kinds(choose_encoders(index, english, encoder, "de")) == ["strong"]
    assert kinds(choose_encoders(index, german, encoder, "de")) == ["vectors"]
    assert kinds(choose_encoders(index, german, encoder, "")) == ["vectors"]
    light = light_encoder()
    assert choose_encoders(index, german, light, "de") == (light,)
    assert choose_encoders(index, german, None, "de") == (None,)


@pytest.mark.parametrize("declared", ["de-AT", ""])
def test_documents_in_the_questions_language_are_searched_as_ever(
    declared: str, encoder: Encoder, tmp_path: Path
) -> None:
    """Whether they declare it or not; beside English ones, both ways are tried."""
    alone = make_index(tmp_path / "alone", encoder, (LADEN, declared))
    assert kinds(choose_encoders(alone, ASKED["de"], encoder, "de")) == ["strong"]
    assert kinds(choose_encoders(alone, ASKED["es"], encoder, "es")) == ["strong"]
    beside = make_index(tmp_path / "beside", encoder, (LADEN, declared), (SHOP, ""))
    assert kinds(choose_encoders(beside, ASKED["de"], encoder, "de")) == ["strong", "vectors"]
    assert kinds(choose_encoders(beside, ASKED["es"], encoder, "es")) == ["vectors"]


def test_an_answer_is_found_in_english_where_the_own_language_has_none(encoder: Encoder, tmp_path: Path) -> None:
    index = make_index(tmp_path, encoder, (LADEN, "de"), ({"Returns": SHOP["Returns"]}, "en"))
    asked = "Kann ich unbenutzte Ware zurückschicken?"
    assert search_index(index, "shop", asked, NOW, encoder, language="de").passages[0].document == "Returns"


async def test_the_first_message_is_searched_in_its_own_language(encoder: Encoder, tmp_path: Path) -> None:
    """Nothing is known of the contact yet: the language is that of the message."""
    async with world_at(tmp_path, encoder=lambda: encoder) as world:
        await world.handle(world.said("m1", "¿Cuántas horas mantiene el calor la bolsa térmica en invierno?"))
        (reply,) = await world.replies()
    shown = [source.document for source in reply.citations] + [choice.label for choice in reply.choices]
    assert {"shipping", "Shipping: Winter"} & set(shown)


def test_languages_follow_the_documents(encoder: Encoder, tmp_path: Path) -> None:
    index = make_index(tmp_path, encoder, (SHOP, ""))
    assert index.languages() == {"en"}
    index.apply([index.prepare(Document(id="x", title="X", body="-", version=1, updated_at=NOW, language="pt"), "1")])
    assert index.languages() == {"en", "pt"}
    index.apply([], ["x"])
    assert index.languages() == {"en"}


def test_without_the_package_or_a_map_there_is_none(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_multilingual("somebody-elses", encoder) is None
    name = encoder.name.partition("+")[0]
    assert open_multilingual(name, encoder) is not None
    monkeypatch.setattr(multilingual_encoder, "find_spec", lambda _: None)
    assert open_multilingual(name, encoder) is None


@pytest.mark.parametrize(("machine", "found", "runs"), [
    ("x86_64", ["SSE42", "AVX2"], True), ("AMD64", ["X86_V3"], True),
    ("x86_64", ["SSE42"], False), ("aarch64", [], True),
])  # fmt: skip
def test_a_processor_that_cannot_run_it_does_not_load_it(
    machine: str, found: list[str], runs: bool, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An instruction that is not there would end the process."""
    monkeypatch.setattr(platform, "machine", lambda: machine)
    shown = {"SIMD Extensions": {"baseline": ["SSE"], "found": found, "not found": ["AVX512"]}}
    monkeypatch.setattr(np, "show_config", lambda mode: shown)
    assert (open_multilingual(encoder.name.partition("+")[0], encoder) is not None) == runs


def test_the_map_is_the_linear_one_between_the_vectors() -> None:
    """Rows and offset, as far as the regression's penalty lets it."""
    chance = np.random.default_rng(1)
    rows, offset = chance.normal(size=(8, 5)), chance.normal(size=5)
    given = chance.normal(size=(4_000, 8)).astype(np.float32)
    fitted = fit_map(given, (given @ rows + offset).astype(np.float32))
    assert fitted[-1] == pytest.approx(offset, abs=0.05)
    assert np.abs(fitted[:-1] * 1.1 - rows).max() < 0.05


@pytest.mark.parametrize("text", ["ich will nicht mehr leben", "je veux mourir", "no quiero seguir viviendo"])
def test_danger_is_near_its_examples_in_other_languages(text: str, encoder: Encoder, multilingual: Encoder) -> None:
    """And an ordinary question is not."""
    examples = encoder.encode_query(list(EXAMPLES))
    danger, ordinary = (examples @ multilingual.encode_query([text, ASKED["es"]]).T).max(axis=0)
    assert danger >= MIN_SIMILARITY > ordinary
