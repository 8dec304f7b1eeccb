"""Word files (.docx), by their structure: headings, lists and tables."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence
from typing import ClassVar

from agent_worker.knowledge.text.html import html_content
from schemas.errors import DocumentTooLarge, MissingDependency, Unprocessable
from schemas.ports import Content
from schemas.runtime.optional_dependencies import install_command

_MAX_XML_BYTES = 40 * 1024 * 1024
_MAX_PARTS = 10_000
_OLE_MAGIC = b"\xd0\xcf\x11\xe0"
"""First bytes of encrypted files and of Word's older format."""
_FIX = "open it in Word and save it as .docx, or export it as PDF or text"


class Word:
    endings: ClassVar[Sequence[str]] = (".docx",)
    types: ClassVar[Sequence[str]] = ("application/vnd.openxmlformats-officedocument.wordprocessingml.document",)
    isolated: ClassVar[bool] = True

    def read(self, name: str, data: bytes) -> Sequence[Content]:
        try:
            import mammoth
        except ImportError as error:
            raise MissingDependency(
                f"{name}: no library that reads .docx is installed", fix=install_command("documents")
            ) from error
        _check(name, data)
        no_images = mammoth.images.img_element(lambda _image: {})
        try:
            converted = mammoth.convert_to_html(
                io.BytesIO(data),
                convert_image=no_images,
                include_embedded_style_map=False,
                style_map="p[style-name='Title'] => h1:fresh",
            )
        except (MemoryError, RecursionError):
            raise
        except Exception as error:  # any error of the library for a damaged file
            raise Unprocessable(f"{name}: damaged ({type(error).__name__})", fix=_FIX) from error
        return [html_content(name, converted.value)]


def _check(name: str, data: bytes) -> None:
    """Check the archive before unpacking it: its declared size, and whether it is readable at all."""
    if data.startswith(_OLE_MAGIC):
        raise Unprocessable(f"{name}: encrypted, or in the older format .doc", fix=f"remove the password; {_FIX}")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
            if any(part.flag_bits & 1 for part in parts):
                raise Unprocessable(f"{name}: encrypted", fix="remove the password")
            if "word/document.xml" not in archive.namelist():
                raise Unprocessable(f"{name}: not a Word file", fix=_FIX)
            size = sum(part.file_size for part in parts if part.filename.endswith((".xml", ".rels")))
            if size > _MAX_XML_BYTES or len(parts) > _MAX_PARTS:
                raise DocumentTooLarge(
                    f"{name}: it unpacks to {size // (1024 * 1024)} MB in {len(parts)} parts", fix=_FIX
                )
            if b"<!DOCTYPE" in archive.open("word/document.xml").read(4096):
                raise Unprocessable(f"{name}: its text declares a document type, as no Word file does", fix=_FIX)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, ValueError, zlib.error) as error:
        raise Unprocessable(f"{name}: damaged ({type(error).__name__})", fix=_FIX) from error
