"""The language of a message is detected."""

from __future__ import annotations

import pytest

from agent_worker.nlu.language_detection import detect_language
from tests.measure.language_detection import phrases, sentences, wishes


@pytest.mark.parametrize("known", ["en", "de", "de-AT", "fr", ""])
@pytest.mark.parametrize("text", ["20 euro", "NP-10231", "A-17", "ok then A-17", "a17", "12,50 €", "Garden den, 2", ""])
@pytest.mark.parametrize("end", ["", " van Dyke", " ann@example.com"])
def test_a_message_without_a_recognizable_language_keeps_the_known_one(text: str, end: str, known: str) -> None:
    assert detect_language(text + end, known) == known


@pytest.mark.parametrize(
    ("text", "found"),
    [("ich möchte meine Bestellung stornieren", "de"), ("ja bitte", "de"), ("please cancel it", "en"), ("yes", "en")],
)
def test_a_word_is_enough_for_the_languages_of_our_own_phrases(text: str, found: str) -> None:
    assert detect_language(text, "fr") == found


@pytest.mark.parametrize(
    "text", ["hotel open in january?", "open in december?", "weekend dinner?", "any wifi", "pets?"]
)
def test_a_few_words_need_more_to_leave_the_language_before(text: str) -> None:
    """Without it they seem to be Dutch or Polish."""
    assert detect_language(text, "en") == detect_language(text, "", "en") == "en"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Sind Hunde erlaubt?", "de"),
        ("Hat das Restaurant montags offen?", "de"),
        ("was kostet parken", "de"),
        ("is het restaurant open in januari?", "nl"),
        ("kan ik parkeren?", "nl"),
        ("avete il wifi", "it"),
        ("tem estacionamento?", "pt"),
    ],
)
def test_a_few_words_of_another_language_show_it(text: str, language: str) -> None:
    assert detect_language(text, "en") == language


def test_a_text_in_the_known_language_leaves_the_whole_locale() -> None:
    assert detect_language("Wann kann ich die Pflanze zurückgeben?", "de-AT") == "de-AT"
    assert detect_language("冬でも配送できますか？", "ja_JP") == "ja_JP"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Do you have a heat pack for my parcel?", "en"),
        ("Wann kann ich die Pflanze zurückgeben?", "de"),
        ("Est-ce que vous livrez en hiver avec une chaufferette?", "fr"),
        ("¿Cuándo llega mi pedido y cómo puedo pagar?", "es"),
        ("Quando posso ricevere il mio pacco e come pago?", "it"),
        ("Quando posso receber a minha encomenda? Não chegou.", "pt"),
        ("Kan ik mijn plant ruilen en wat kost het?", "nl"),
        ("Czy mogę zwrócić roślinę i jak to zrobić?", "pl"),
        ("冬でも配送できますか？", "ja"),
        ("冬天可以发货吗", "zh"),
        ("겨울에도 배송되나요?", "ko"),
        ("Вы доставляете зимой?", "ru"),
        ("هل تشحنون في الشتاء؟", "ar"),
    ],
)
def test_a_sentence_of_a_customer_shows_its_language(text: str, language: str) -> None:
    assert detect_language(text) == language


def test_languages_are_told_apart_and_few_messages_are_mistaken() -> None:
    """The figures of ADR 53, with a small margin: right and mistaken among all messages of each kind."""
    figures = {}
    for name, messages in (("sentences", sentences()), ("wishes", wishes()), ("phrases", phrases())):
        found = [(language, detect_language(text)) for language, text in messages]
        right = sum(language == detected for language, detected in found) / len(found)
        figures[name] = right, sum(bool(detected) for _, detected in found) / len(found) - right
    assert figures["sentences"][0] >= 0.95
    assert figures["sentences"][1] == 0
    assert figures["wishes"][0] >= 0.9
    assert figures["wishes"][1] <= 0.005
    assert figures["phrases"][0] >= 0.7
    assert figures["phrases"][1] <= 0.02


@pytest.mark.parametrize(
    "name", ["Anna Svensson", "Müller", "Maria Garcia", "Berlin", "iPhone 15 Pro", "DHL", "👍", "ok"]
)
@pytest.mark.parametrize("known", ["en", "de-AT", "ja"])
def test_names_and_signs_are_in_no_language(name: str, known: str) -> None:
    assert detect_language(name, known) == known


@pytest.mark.parametrize("name", ["Monstera", "Kowalski", "España?", "Deutschland", "Yılmaz", "Warszawa", "DHL"])
@pytest.mark.parametrize("known", ["en", "es-MX", "tr", "ru", "ar", "ja"])
def test_a_single_word_keeps_the_language_of_the_conversation(name: str, known: str) -> None:
    """Brands, places and species are written alike in many languages, and in Latin letters in all of them."""
    assert detect_language(name, known) == known


@pytest.mark.parametrize(
    ("word", "known"), [("Київ", "ru"), ("Сергій", "ru"), ("Москва", "uk"), ("لاہور", "ar"), ("القاهرة", "ur")]
)
def test_a_single_word_in_the_alphabet_of_the_conversation_keeps_its_language(word: str, known: str) -> None:
    assert detect_language(word, known) == known


@pytest.mark.parametrize(("word", "language"), [("दिल्ली", "hi"), ("Київ", "uk"), ("冬でも配送できますか", "ja")])
def test_a_single_word_in_another_alphabet_shows_its_language(word: str, language: str) -> None:
    assert detect_language(word, "en") == language


@pytest.mark.parametrize(
    ("word", "language"),
    [("Hola", "es"), ("gracias!", "es"), ("Teşekkürler", "tr"), ("Привет", "ru"), ("Öffnungszeiten?", "de")],
)
def test_the_first_message_may_be_a_single_word(word: str, language: str) -> None:
    """Only the tenant's language is known then, which says nothing about the contact."""
    assert detect_language(word, default="en") == language
    assert detect_language("Monstera", default="en-GB") == "en-GB"


def test_a_first_message_in_the_default_language_leaves_the_whole_locale() -> None:
    assert detect_language("Wann kann ich die Pflanze zurückgeben?", default="de-AT") == "de-AT"
