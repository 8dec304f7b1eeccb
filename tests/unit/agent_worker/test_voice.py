"""A voice speaks the contact's language where the tenant wrote no words of its own."""

from __future__ import annotations

import re
from dataclasses import fields, replace

import pytest

from agent_worker.handoff.reply_templates import non_text_draft, not_found_draft
from agent_worker.nlu.language_names import name_language
from agent_worker.translations import LANGUAGES, Translation, find_translation
from agent_worker.voice import (
    DEFAULT_VOICE,
    Voice,
    list_default_phrases,
    message_kind_name,
    translate_phrase,
    translate_voice,
)
from gateway.config.voice import VoiceSettings

NOT_SPOKEN = {"name", "locale", "instructions", "examples"}
PHRASES = [field.name for field in fields(Voice) if field.name not in NOT_SPOKEN]
TRANSLATED = sorted({*LANGUAGES} - {"en"})
SCRIPTS = {
    "ar": "[\u0600-\u06ff]",
    "bn": "[\u0980-\u09ff]",
    "hi": "[\u0900-\u097f]",
    "ja": "[\u3040-\u30ff\u4e00-\u9fff]",
    "ko": "[\uac00-\ud7a3]",
    "ru": "[\u0400-\u04ff]",
    "uk": "[\u0400-\u04ff]",
    "ur": "[\u0600-\u06ff]",
    "zh": "[\u4e00-\u9fff]",
}
"""Languages without Latin letters."""
ENGLISH = re.compile(r"\b(?:the|you|your|please|here|cannot|nothing|colleagues?|thank|thanks|what|this|that)\b", re.I)
LABELS = ("assistant_choice", "confirm_yes", "confirm_no", "none_of_these")


def texts_of(language: str) -> dict[str, str]:
    """All texts by name, the five grades of a rating among them."""
    translation = translation_of(language)
    texts: dict[str, str] = {}
    for name, text in translation.voice.items():
        texts |= {name: text} if isinstance(text, str) else {f"{name} {n}": grade for n, grade in enumerate(text)}
    texts |= {f"kind {name}": text for name, text in translation.kinds.items()}
    return texts | {f"dialogue {name}": text for name, text in phrases_of_actions(language).items()}


def phrases_of_actions(language: str) -> dict[str, str]:
    """What is said in dialogues about actions, and about one-time codes."""
    translation = translation_of(language)
    return {**translation.dialogue, **{f"code {name}": text for name, text in translation.codes.items()}}


def translation_of(language: str) -> Translation:
    translation = find_translation(language)
    assert translation is not None
    return translation


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"{\w*}", text))


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_phrase_is_spoken_in_every_language(language: str) -> None:
    voice = translate_voice(DEFAULT_VOICE, language)
    assert [phrase for phrase in PHRASES if getattr(voice, phrase) == getattr(DEFAULT_VOICE, phrase)] == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_has_all_phrases_and_no_others(language: str) -> None:
    translation = translation_of(language)
    assert list(translation.voice) == PHRASES
    assert translation.kinds.keys() == translation_of("en").kinds.keys()
    assert list(phrases_of_actions(language)) == list(phrases_of_actions("en"))


@pytest.mark.parametrize("language", TRANSLATED)
def test_placeholders_survive_translation(language: str) -> None:
    for phrase, text in translation_of(language).voice.items():
        if isinstance(text, str):
            assert placeholders(text) == placeholders(getattr(DEFAULT_VOICE, phrase)), phrase
            assert text.count("{") == text.count("}") == len(placeholders(text)), phrase
    assert placeholders(translation_of(language).kinds["unknown"]) == {"{kind}"}
    for phrase, text in phrases_of_actions(language).items():
        assert placeholders(text) == placeholders(phrases_of_actions("en")[phrase]), phrase
        assert text.count("{") == text.count("}") == len(placeholders(text)), phrase


@pytest.mark.parametrize("language", LANGUAGES)
def test_times_name_the_day_and_the_hour(language: str) -> None:
    times = translation_of(language).times
    assert placeholders(times.today) == placeholders(times.tomorrow) == {"{clock}"}
    assert placeholders(times.later) == {"{weekday}", "{date}", "{clock}"}
    assert placeholders(times.days) <= {"{n}"}


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_english_is_left_in_a_translation(language: str) -> None:
    """In another script no Latin word at all may be left, but for a name that vendors do not translate."""
    for name, text in texts_of(language).items():
        spoken = re.sub(r"{\w*}|Reels", "", text)
        assert not ENGLISH.search(spoken), name
        if language in SCRIPTS:
            assert not re.search(r"[A-Za-z]", spoken), name
            assert re.search(SCRIPTS[language], spoken), name


@pytest.mark.parametrize("language", TRANSLATED)
def test_translations_keep_the_punctuation_of_their_language(language: str) -> None:
    for name, text in texts_of(language).items():
        assert text == text.strip(), name
        assert "  " not in text, name
        assert '"' not in text, name
        assert "'" not in text, name
        if language == "es":
            assert (text.count("?"), text.count("!")) == (text.count("¿"), text.count("¡")), name
        if language == "fr":
            assert not re.search(r"[^\u00a0][?!:»]|«[^\u00a0]", text), name
        if language in ("ar", "ur"):
            assert not re.search(r"[?,;]", text), name
        if language == "ur":
            assert "." not in text, name
        if language in ("bn", "hi"):
            assert "." not in text, name
        if language in ("ja", "zh"):
            assert not re.search(r"[?!,.:;()]", text), name


@pytest.mark.parametrize("language", LANGUAGES)
def test_labels_fit_where_tenants_may_write_their_own(language: str) -> None:
    """The limits of the configuration hold for our own labels, too, and no two grades of a rating are alike."""
    voice = translate_voice(DEFAULT_VOICE, language)
    VoiceSettings.model_validate({name: getattr(voice, name) for name in (*LABELS, "rating_scale")})
    assert len({grade.casefold() for grade in voice.rating_scale}) == 5
    assert voice.confirm_yes != voice.confirm_no


@pytest.mark.parametrize("language", ["de", "es", "tr", "ar"])
def test_a_declined_reply_and_its_choices_are_in_one_language(language: str) -> None:
    voice, phrases = translate_voice(DEFAULT_VOICE, language), translation_of(language).voice
    draft = not_found_draft(voice)
    assert draft.text == phrases["not_found"]
    assert [choice.label for choice in draft.choices] == [phrases["person_choice"]]


def test_phrases_that_the_tenant_changed_are_kept() -> None:
    own = Voice(not_found="Not in our notes.", rating_scale=("1", "2", "3", "4", "5"))
    spanish = translate_voice(own, "es")
    assert (spanish.not_found, spanish.rating_scale) == (own.not_found, own.rating_scale)
    assert spanish.person_choice == "Hablar con alguien"


def test_a_tenant_is_spoken_for_in_its_own_language() -> None:
    """A tenant whose language is German need not write every phrase to have none in English."""
    own = Voice(locale="de", greeting="Moin!")
    german = translate_voice(own, "de-AT")
    assert german.greeting == "Moin!"
    assert german.what_else == "Wobei kann ich helfen?"


@pytest.mark.parametrize("locale", ["", "en", "en-GB", "fi", "../voice", "x" * 1000])
def test_english_is_spoken_where_there_is_no_translation(locale: str) -> None:
    assert translate_voice(DEFAULT_VOICE, locale) == DEFAULT_VOICE
    assert message_kind_name("sticker", "Sticker", locale) == "stickers"


def test_translating_twice_changes_nothing() -> None:
    spanish = translate_voice(DEFAULT_VOICE, "es")
    assert translate_voice(spanish, "de") == spanish


@pytest.mark.parametrize("language", TRANSLATED)
def test_phrases_of_all_languages_are_known_as_ours(language: str) -> None:
    assert translate_voice(DEFAULT_VOICE, language).what_else in list_default_phrases()


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("en", "I cannot read stickers here. Could you write to me instead?"),
        ("es-MX", "Aquí no puedo leer stickers. ¿Me lo puedes escribir?"),
        ("de", "Sticker kann ich hier nicht lesen. Bitte schreib mir stattdessen."),
        ("pl", "Nie mogę tu odczytać naklejek. Czy możesz zamiast tego napisać?"),
    ],
)
def test_kinds_of_messages_are_named_in_the_contacts_language(locale: str, text: str) -> None:
    voice = translate_voice(DEFAULT_VOICE, locale)
    assert non_text_draft("unsupported", voice, kind="sticker", locale=locale).text == text
    unknown = non_text_draft("unsupported", replace(voice, unsupported_kind="{kind}"), kind="hologram", locale=locale)
    assert "hologram" in unknown.text.lower()


@pytest.mark.parametrize(
    ("language", "locale", "name"),
    [
        ("de", "en", "German"),
        ("de-AT", "es-MX", "alemán"),
        ("en", "tr", "İngilizce"),
        ("en", "ar", "الإنجليزية"),
        ("en", "", "English"),
        ("en", "xx", "English"),
        ("xx", "en", "xx"),
    ],
)
def test_languages_are_named_in_the_readers_language(language: str, locale: str, name: str) -> None:
    assert name_language(language, locale) == name


@pytest.mark.parametrize("locale", ["de-AT", "es", "en", "tlh", ""])
@pytest.mark.parametrize("voice", [DEFAULT_VOICE, Voice(erasure_title="Forget me")])
def test_a_single_phrase_is_that_of_the_translated_voice(voice: Voice, locale: str) -> None:
    translated = translate_voice(voice, locale)
    for name in ("erasure_title", "danger", "name"):
        assert translate_phrase(voice, name, locale) == getattr(translated, name)


def test_tenants_with_the_same_phrases_keep_their_own_instructions_in_every_language() -> None:
    voices = [Voice(instructions={"": text}) for text in ("Be brief.", "Be thorough.")]
    for locale in ("de", "en"):
        translated = [translate_voice(voice, locale) for voice in voices]
        assert [voice.instructions for voice in translated] == [voice.instructions for voice in voices]
        assert translated[0] is translate_voice(voices[0], locale)  # made once
