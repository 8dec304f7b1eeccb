"""Files of each format become documents, and bad files are refused."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from agent_worker.knowledge.text.splitting import split
from agent_worker.sources.conversion import Conversion
from agent_worker.sources.isolation import Isolation
from schemas.errors import DocumentTooLarge, ParleyError, Unprocessable
from schemas.ports import Content
from tests.unit.sources import document_files


@pytest.fixture(scope="module")
async def convert() -> AsyncIterator[Conversion]:
    async with Isolation() as isolation:
        yield Conversion(isolation)


async def one(convert: Conversion, name: str, data: bytes | str) -> Content:
    (content,) = await convert(name, data.encode() if isinstance(data, str) else data, "")
    return content


# ── what is kept ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_front_matter_says_who_may_see_a_document_and_until_when(convert: Conversion) -> None:
    text = (
        "---\ntitle: Staff\nlang: de\nvisibility: internal\nexpires_at: 2027-01-31\ntags: [a]\n---\n# Preise\n\nEins."
    )
    content = await one(convert, "a.md", text)
    assert (content.title, content.language, content.visibility) == ("Staff", "de", "internal")
    assert content.expires_at == datetime(2027, 1, 31, 23, 59, 59, 999999, tzinfo=UTC)
    assert content.body == "# Preise\n\nEins."
    plain = await one(convert, "a.txt", "---\nOnly two rules.\n---\n\nAnd text.")
    assert "Only two rules." in plain.body


@pytest.mark.parametrize(
    "said", ["visibility: secret", "expires_at: soon", "language: 5 5", "url: javascript:x", "a: [", "visibility: [a]"]
)
async def test_a_misspelt_limit_is_refused_and_never_taken_for_none(convert: Conversion, said: str) -> None:
    with pytest.raises(Unprocessable) as caught:
        await one(convert, "staff.md", f"---\n{said}\n---\n\nText.")
    assert "staff.md" in caught.value.message
    assert caught.value.fix


@pytest.mark.parametrize(
    "text",
    [
        "---\nvisibility: internal\n\n# Never closed\n\nText.",
        "visibility: internal\n---\n# Never opened\n",
        "--\ntitle: x\nvisibility: 'verified'\n--\nText",
        "# Title\n\n- Visibility: Internal\n\nText",
        "---\na\n---\nvisibility: internal\n",
    ],
)
async def test_a_visibility_that_would_hide_nothing_is_refused(convert: Conversion, text: str) -> None:
    with pytest.raises(Unprocessable, match="outside the lines"):
        await one(convert, "staff.md", text)


async def test_text_about_visibility_is_text(convert: Conversion) -> None:
    content = await one(
        convert, "a.md", "# Fog\n\nVisibility: internal lights help.\n\nThe visibility: verified by us, is 3 km."
    )
    assert "3 km" in content.body


async def test_a_page_in_another_encoding_that_it_names_is_read(convert: Conversion) -> None:
    page = "<meta charset=windows-1252><h1>Größe</h1><p>Töpfe für 4 €</p>".encode("cp1252")
    assert "Töpfe für 4 €" in (await one(convert, "a.html", page)).body
    with pytest.raises(Unprocessable, match="UTF-8"):
        await one(convert, "a.html", page.replace(b"windows-1252", b"nonsense-77"))


async def test_a_pdf_keeps_headings_paragraphs_and_lists_and_loses_what_every_page_repeats(convert: Conversion) -> None:
    def page(number: int, *placed: document_files.Placed) -> list[document_files.Placed]:
        return [(8, 810, "Nepenthes & Co price list"), *placed, (8, 30, f"Page {number} of 3")]

    data = document_files.pdf(
        page(1, (24, 760, "Prices"), (16, 700, "Pots"), (11, 680, "A clay pot costs"), (11, 667, "four euro.")),
        page(2, (16, 760, "Parcels"), (11, 740, "Up to 5 kg: 6 euro."), (11, 700, "Above, we ask"), (11, 687, "a van")),
        page(3, (11, 760, "to bring them."), (11, 740, "1. Write to us."), (11, 727, "2. Wait a day.")),
    )
    content = await one(convert, "prices.pdf", data)
    assert content.title == "Prices"
    assert content.body == (
        "Nepenthes & Co price list\n\n# Prices\n\n## Pots\n\nA clay pot costs four euro.\n\n## Parcels\n\n"
        "Up to 5 kg: 6 euro.\n\n"
        "Above, we ask a van to bring them.\n\n1. Write to us.\n\n2. Wait a day."
    )
    assert [piece.heading for piece in split(content.title, content.body)] == ["", "Pots", "Parcels"]


async def test_rows_that_are_alike_on_every_page_stay(convert: Conversion) -> None:
    """Figures in a long table are no page numbers."""
    rows = [
        [(10, 800 - 12 * row, f"Clay pot {page * 60 + row} costs 7 euro") for row in range(60)] for page in range(5)
    ]
    content = await one(convert, "table.pdf", document_files.pdf(*rows))
    assert content.body.count("Clay pot") == 300


async def test_a_word_file_keeps_headings_and_tables(convert: Conversion) -> None:
    body = document_files.paragraph("Returns", "Title") + document_files.paragraph("Deadline", "heading1")
    body += document_files.paragraph("You have 30 days.") + document_files.table(["Goods", "Days"], ["Pots", "30"])
    content = await one(convert, "returns.docx", document_files.docx(body))
    assert content.title == "Returns"
    assert "# Deadline\n\nYou have 30 days." in content.body
    assert "| Goods | Days |" in content.body
    assert "| Pots | 30 |" in content.body


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
async def test_a_table_of_questions_is_a_document_for_each(convert: Conversion, delimiter: str) -> None:
    rows = [
        ["Question", "Answer", "Visibility"],
        ["When do you ship?", '"On\nMondays"', ""],
        ["Who pays?", "We do", "verified"],
    ]
    text = "\ufeff" + "\r\n".join(delimiter.join(row) for row in rows)
    first, second = await convert("faq.csv", text.encode(), "")
    assert (first.title, first.body) == ("When do you ship?", "# When do you ship?\n\nOn\nMondays")
    assert (first.visibility, second.visibility) == ("", "verified")
    moved = "\n".join(delimiter.join(row) for row in (rows[0], rows[2], ["when do you ship", "Tuesdays", ""]))
    assert {each.key for each in await convert("faq.csv", moved.encode(), "")} == {first.key, second.key}


async def test_a_page_is_read_without_its_frame_and_with_its_language(convert: Conversion) -> None:
    page = (
        "<html lang='de-AT'><head><title>Preise – Laden</title></head><body><div role='navigation'>Menü</div>"
        "<p hidden>geheim</p><p style='DISPLAY: none'>unsichtbar</p><header>Logo</header><main><h1>Preise</h1>"
        "<article>Topf: 4 Euro</article><article>Moos: 7 Euro</article></main><aside>Werbung</aside></body></html>"
    )
    content = await one(convert, "p.html", page)
    assert (content.title, content.language) == ("Preise", "de-AT")
    assert "Topf: 4 Euro" in content.body
    assert "Moos: 7 Euro" in content.body
    assert not any(word in content.body for word in ("Menü", "geheim", "unsichtbar", "Logo", "Werbung"))


async def test_a_text_in_utf_16_is_read(convert: Conversion) -> None:
    content = await one(convert, "a.txt", "OPENING\n\nFrom nine – täglich.\x0cNext".encode("utf-16"))
    assert content.body == "# Opening\n\nFrom nine – täglich.\nNext"


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────────

BAD: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "encrypted PDF": ("a.pdf", document_files.encrypted_pdf, "encrypted"),
    "no PDF": ("a.pdf", lambda: b"MZ" + bytes(range(256)) * 40, "damaged"),
    "empty PDF": ("a.pdf", lambda: b"", "damaged"),
    "half a PDF": ("a.pdf", lambda: document_files.pdf([(12, 700, "Half")])[:300], ""),
    "PDF of pictures": ("a.pdf", lambda: document_files.pdf([]), "no text"),
    "PDF that bursts": ("a.pdf", lambda: document_files.bursting_pdf(600), ""),
    "PDF of very many pages": ("a.pdf", lambda: document_files.packed([b""] * 3001), "pages"),
    "encrypted Word file": ("a.docx", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000), "encrypted"),
    "no Word file": ("a.docx", lambda: b"PK\x03\x04 and then nothing", "damaged"),
    "another kind of archive": (
        "a.docx",
        lambda: document_files.docx("").replace(b"word/document", b"word/documenx"),
        "not a Word",
    ),
    "Word file that bursts": ("a.docx", lambda: document_files.bursting_docx(200), "unpacks to 200 MB"),
    "Word file that lies": ("a.docx", document_files.lying_docx, "damaged"),
    "Word file that laughs": (
        "a.docx",
        lambda: document_files.docx(
            document_files.paragraph("&b;"), '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'
        ),
        "document type",
    ),
    "broken Word file": ("a.docx", lambda: document_files.docx("<w:p>"), "damaged"),
    "Word file nested deep": ("a.docx", lambda: document_files.docx("<w:p>" * 4000 + "</w:p>" * 4000), ""),
    "page nested deep": ("a.html", lambda: b"<div>" * 50_000 + b"deep", "nested"),
    "binary named .md": ("a.md", lambda: bytes(range(256)) * 10, "UTF-8"),
    "picture named .txt": ("a.txt", lambda: b"\x89PNG\r\n\x1a\n" + bytes(100), "UTF-8"),
    "control characters": ("a.md", lambda: b"a\x01\x02b", "control"),
    "101 MB": ("a.md", lambda: b"a" * 101 * 1024 * 1024, "101 MB"),
    "unknown kind": ("a.xyz", lambda: b"text", ".xyz"),
    "table without a question": ("a.csv", lambda: b"name,price\nmoss,7\n", "'question'"),
    "table without rows": ("a.csv", lambda: b"question,answer\n", "no row"),
    "question without answer": ("a.csv", lambda: b"question,answer\nwhy?,\n", "row 2"),
    "question asked twice": ("a.csv", lambda: b"q,a\nWhy?,x\nOther,z\nwhy,y\n", "row 4"),
    "torn table": ("a.csv", lambda: b'q,a\n"why,x\n', "not a table"),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_file_is_refused_by_name_with_advice_and_soon(convert: Conversion, kind: str) -> None:
    """And the next file is read as if nothing had been."""
    name, made, said = BAD[kind]
    data = made()
    with pytest.raises((Unprocessable, DocumentTooLarge)) as caught:
        await convert(name, data, "")
    assert name in caught.value.message
    assert said in caught.value.message
    assert caught.value.fix
    assert (await one(convert, "next.html", "<h1>Next</h1><p>Good.</p>")).title == "Next"


@pytest.mark.parametrize(
    ("name", "data"),
    [("a.md", b"word " * 200_000), ("a.html", b"<p>" + b"word " * 200_000), ("a.csv", b"q,a\nw," + b"x " * 60_000)],
)
async def test_too_much_text_is_refused_with_advice(convert: Conversion, name: str, data: bytes) -> None:
    if name == "a.csv":
        with pytest.raises(ParleyError):  # one field beyond what a table may hold
            await convert(name, data * 2, "")
        return
    with pytest.raises(DocumentTooLarge) as caught:
        await convert(name, data, "")
    assert (caught.value.code, "split" in caught.value.fix) == ("document_too_large", True)


async def test_a_reader_that_takes_too_long_or_is_killed_costs_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    start, readers = asyncio.create_subprocess_exec, asyncio.Queue[Process]()

    async def record_reader(*given: Any, **more: Any) -> Process:
        readers.put_nowait(reader := await start(*given, **more))
        return reader

    monkeypatch.setattr(asyncio, "create_subprocess_exec", record_reader)
    async with Isolation() as isolation:
        convert = Conversion(isolation)
        assert (await one(convert, "warm.html", "<h1>Warm</h1>")).title == "Warm"
        slow = b"<p>" + b"<b>a</b> " * 400_000
        isolation.seconds = 0.2
        with pytest.raises(Unprocessable, match="longer than"):
            await convert("slow.html", slow, "")
        isolation.seconds = 60
        reading = asyncio.create_task(convert("killed.html", slow, ""))
        async with asyncio.timeout(30):
            await readers.get()  # the one that took too long
            (await readers.get()).kill()
        with pytest.raises(Unprocessable, match=r"killed\.html"):
            await reading
        assert (await one(convert, "good.html", "<h1>Good</h1>")).title == "Good"
