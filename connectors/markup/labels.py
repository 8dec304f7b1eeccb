"""Words that channels add to a message, in its language."""

from __future__ import annotations

from typing import NamedTuple


class MessageLabels(NamedTuple):
    """``sources``: the heading of the list of sources. ``options``: the button that opens a list of choices, at most 20
    characters."""

    sources: str
    options: str


_ENGLISH = MessageLabels("Sources", "Options")
_LABELS = {
    "en": _ENGLISH,
    "ar": MessageLabels("المصادر", "الخيارات"),
    "bn": MessageLabels("উৎস", "বিকল্প"),
    "de": MessageLabels("Quellen", "Auswahl"),
    "es": MessageLabels("Fuentes", "Opciones"),
    "fr": MessageLabels("Sources", "Options"),
    "hi": MessageLabels("स्रोत", "विकल्प"),
    "id": MessageLabels("Sumber", "Pilihan"),
    "it": MessageLabels("Fonti", "Opzioni"),
    "ja": MessageLabels("参照元", "選択肢"),
    "ko": MessageLabels("출처", "선택지"),
    "nl": MessageLabels("Bronnen", "Opties"),
    "pl": MessageLabels("Źródła", "Opcje"),
    "pt": MessageLabels("Fontes", "Opções"),
    "ru": MessageLabels("Источники", "Варианты"),
    "tr": MessageLabels("Kaynaklar", "Seçenekler"),
    "uk": MessageLabels("Джерела", "Варіанти"),
    "ur": MessageLabels("ماخذ", "اختیارات"),
    "vi": MessageLabels("Nguồn", "Lựa chọn"),
    "zh": MessageLabels("来源", "选项"),
}
LANGUAGES = frozenset(_LABELS)


def find_labels(locale: str) -> MessageLabels:
    """The labels in the locale's language; in English if there are none."""
    return _LABELS.get(locale.casefold().replace("_", "-").partition("-")[0], _ENGLISH)
