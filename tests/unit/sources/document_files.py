"""PDF and Word files made from nothing: good ones, and ones that burst, lie or are locked."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType

Placed = tuple[float, float, str]
"""Font size, place over the page's foot in points, text."""


def pdf(*pages: Sequence[Placed], more: bytes = b"", trailer: bytes = b"") -> bytes:
    """``more``: objects of one's own, from number 90 on; ``trailer``: entries of the trailer."""
    contents = ["\n".join(_shown(*each) for each in page).encode("latin-1") for page in pages]
    return packed(contents, more=more, trailer=trailer)


def _shown(size: float, place: float, text: str) -> str:
    escaped = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    return f"BT /F1 {size} Tf 72 {place} Td ({escaped}) Tj ET"


def packed(contents: Sequence[bytes], *, filters: str = "", more: bytes = b"", trailer: bytes = b"") -> bytes:
    """Pages with these content streams. Pdfium finds objects without a table of where they are."""
    out = io.BytesIO()
    out.write(b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n")
    kids = " ".join(f"{10 + 2 * number} 0 R" for number in range(len(contents)))
    out.write(f"2 0 obj<</Type/Pages/Kids[{kids}]/Count {len(contents)}>>endobj\n".encode())
    out.write(b"3 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n")
    for number, content in enumerate(contents):
        page, stream = 10 + 2 * number, 11 + 2 * number
        out.write(
            f"{page} 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents {stream} 0 R"
            f"/Resources<</Font<</F1 3 0 R>>>>>>endobj\n".encode()
        )
        out.write(f"{stream} 0 obj<</Length {len(content)}{filters}>>stream\n".encode())
        out.write(content + b"\nendstream endobj\n")
    out.write(more + b"trailer<</Root 1 0 R" + trailer + b">>\n%%EOF\n")
    return out.getvalue()


def encrypted_pdf() -> bytes:
    lock = b"90 0 obj<</Filter/Standard/V 2/R 3/Length 128/P -4/O<" + b"41" * 32 + b">/U<" + b"42" * 32 + b">>>endobj\n"
    identity = b"/Encrypt 90 0 R/ID[<" + b"43" * 16 + b"><" + b"43" * 16 + b">]"
    return pdf([(12, 700, "Secret prices")], more=lock, trailer=identity)


def bursting_pdf(megabytes: int) -> bytes:
    """A page whose drawing unpacks to so much."""
    return packed([_deflated(b"BT /F1 9 Tf (x) Tj ET\n", megabytes)], filters="/Filter/FlateDecode")


def _deflated(unit: bytes, megabytes: int) -> bytes:
    """So many megabytes of a unit, without ever holding them."""
    deflate = zlib.compressobj(9)
    block = unit * (1024 * 1024 // len(unit))
    return b"".join(deflate.compress(block) for _ in range(megabytes)) + deflate.flush()


WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument'
    '.wordprocessingml.document.main+xml"/></Types>'
)
_RELATIONS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" '
    'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
    'Target="word/document.xml"/></Relationships>'
)
_STYLES = f'<w:styles xmlns:w="{WORD}">' + "".join(
    f'<w:style w:type="paragraph" w:styleId="{name.replace(" ", "")}"><w:name w:val="{name}"/></w:style>'
    for name in ("Title", "heading 1", "heading 2")
)


def paragraph(text: str, style: str = "") -> str:
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{properties}<w:r><w:t>{text}</w:t></w:r></w:p>"


def table(*rows: Sequence[str]) -> str:
    cells = ("".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in row) for row in rows)
    return f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in cells)}</w:tbl>"


def docx(body: str, head: str = "", parts: Mapping[str, bytes] = MappingProxyType({})) -> bytes:
    """``head``: before the document's root; ``parts``: more files of the archive."""
    document = f'<?xml version="1.0"?>{head}<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>'
    named = {
        "[Content_Types].xml": _TYPES.encode(),
        "_rels/.rels": _RELATIONS.encode(),
        "word/document.xml": document.encode(),
        "word/styles.xml": (_STYLES + "</w:styles>").encode(),
        **parts,
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in named.items():
            archive.writestr(name, data)
    return out.getvalue()


def bursting_docx(megabytes: int) -> bytes:
    return docx(
        paragraph("Prices") * 5, parts={"word/comments.xml": b"<!-- " + b" " * megabytes * 1024 * 1024 + b"-->"}
    )


def lying_docx() -> bytes:
    """Its table of contents says 10 bytes where 30 MB are."""
    data = bytearray(docx(paragraph("x" * 30_000_000)))
    place = data.rfind(b"PK\x01\x02", 0, data.rfind(b"word/document.xml"))
    data[place + 24 : place + 28] = (10).to_bytes(4, "little")
    return bytes(data)
