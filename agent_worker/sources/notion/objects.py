"""Objects of Notion's API, as far as they are read. Whatever else an answer holds is ignored."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    model_validator,
)

from schemas.errors import Unprocessable

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Control characters, and those that change the direction of all text after them."""
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_VENDOR_HOSTS = ("notion.so", "notion.com", "notion.site")
_VENDOR_LINK = re.compile(r"https://([^/?#:@\s]++)/\S*+")
_LINK = re.compile(r"(?:https?://[^\s/?#<>]++|mailto:[^\s<>@]++@|tel:)[^\s<>]*+", re.IGNORECASE)
_MAX_LINK_LENGTH = 2_000


def _clean(text: str) -> str:
    return _SURROGATES.sub("\ufffd", _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


def _canonical_id(text: str) -> str:
    return UUID(text).hex


def _drop_null(value: Any) -> Any:
    return [] if value is None else value


Text = Annotated[str, AfterValidator(_clean)]
Id = Annotated[str, AfterValidator(_canonical_id)]
"""32 hexadecimal digits: Notion writes ids with and without dashes. Anything else never becomes part of an address."""


def page_address(id: str) -> str:
    """The address of a page, database or block that holds whatever its title is."""
    return f"https://www.notion.so/{id}"


def vendor_link(address: str, id: str) -> str:
    """The address that Notion names for a page, or the one made of its id if the host is not Notion's."""
    match = _VENDOR_LINK.fullmatch(address) if len(address) <= _MAX_LINK_LENGTH else None
    is_vendor = match is not None and any(match[1] == host or match[1].endswith(f".{host}") for host in _VENDOR_HOSTS)
    return address if is_vendor else page_address(id)


def web_link(address: str | None) -> str:
    """The address if a reader may follow it, else empty. Links between pages are relative."""
    address = _clean(address or "").strip()
    if address.startswith("/"):
        address = f"https://www.notion.so{address}"
    is_link = len(address) <= _MAX_LINK_LENGTH and _LINK.fullmatch(address)
    return address.replace("(", "%28").replace(")", "%29") if is_link else ""


class VendorObject(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Annotations(VendorObject):
    bold: bool = False
    italic: bool = False
    strikethrough: bool = False
    code: bool = False


class Expression(VendorObject):
    expression: Text = ""


class RichText(VendorObject):
    """A run of text with one look. https://developers.notion.com/reference/rich-text"""

    type: str = "text"
    plain_text: Text = ""
    href: str | None = None
    annotations: Annotations = Annotations()
    equation: Expression | None = None


RichTexts = Annotated[list[RichText], BeforeValidator(_drop_null)]


class BlockReference(VendorObject):
    block_id: Id


class ExternalFile(VendorObject):
    url: str = ""


class Icon(VendorObject):
    emoji: Text = ""


class BlockContent(VendorObject):
    """The fields of all types of blocks together. ``title`` is a text for pages and databases."""

    rich_text: RichTexts = []
    caption: RichTexts = []
    title: Text | RichTexts = ""
    name: Text = ""
    url: str = ""
    external: ExternalFile | None = None
    expression: Text = ""
    language: Text | None = ""
    checked: bool = False
    icon: Icon | None = None
    cells: list[RichTexts] = []
    has_column_header: bool = False
    list_start_index: int | None = None
    synced_from: BlockReference | None = None
    page_id: Id | None = None
    database_id: Id | None = None


class Block(VendorObject):
    """A block of a page. https://developers.notion.com/reference/block"""

    id: Id
    type: str = "unsupported"
    has_children: bool = False
    content: BlockContent = BlockContent()

    @model_validator(mode="before")
    @classmethod
    def _find_content(cls, value: Any) -> Any:
        """The content stands under the name of the type."""
        if not isinstance(value, dict):
            return value
        content = value.get(str(value.get("type")))
        return {**value, "content": content if isinstance(content, dict) else {}}


class Parent(VendorObject):
    """A page, database, data source or block that holds something. https://developers.notion.com/reference/parent-object"""

    type: str = "workspace"
    page_id: Id | None = None
    database_id: Id | None = None
    data_source_id: Id | None = None
    block_id: Id | None = None

    @property
    def id(self) -> str:
        """Empty for the workspace."""
        named = {
            "page_id": self.page_id,
            "block_id": self.block_id,
            "data_source_id": self.data_source_id,
            "database_id": self.database_id,
        }
        return named.get(self.type) or ""


class Option(VendorObject):
    name: Text = ""


class DateRange(VendorObject):
    start: Text = ""
    end: Text | None = None


class Reference(VendorObject):
    id: Id


class RowNumber(VendorObject):
    prefix: Text | None = None
    number: int | None = None


class PropertyValue(VendorObject):
    """A property of a row. https://developers.notion.com/reference/page-property-values

    The value of a formula and of a rollup has the same form as a property, so that both nest."""

    type: str = ""
    title: RichTexts = []
    rich_text: RichTexts = []
    number: int | float | None = None
    string: Text | None = None
    boolean: bool | None = None
    checkbox: bool | None = None
    url: Text | None = None
    email: Text | None = None
    phone_number: Text | None = None
    select: Option | None = None
    status: Option | None = None
    multi_select: list[Option] = []
    date: DateRange | None = None
    relation: list[Reference] = []
    unique_id: RowNumber | None = None
    formula: PropertyValue | None = None
    rollup: PropertyValue | None = None
    array: list[PropertyValue] = []


class Page(VendorObject):
    """A page, or a row of a database. https://developers.notion.com/reference/page"""

    object: Literal["page"]
    id: Id
    url: str = ""
    parent: Parent = Parent()
    in_trash: bool = False
    is_archived: bool = False
    last_edited_time: datetime
    created_time: datetime
    properties: dict[str, PropertyValue] = {}


class DataSource(VendorObject):
    """A table of a database. https://developers.notion.com/reference/data-source"""

    object: Literal["data_source"]
    id: Id
    parent: Parent = Parent()
    database_parent: Parent = Parent()
    in_trash: bool = False


class Database(VendorObject):
    """https://developers.notion.com/reference/database"""

    object: Literal["database"]
    id: Id
    parent: Parent = Parent()
    in_trash: bool = False
    data_sources: list[Reference] = []


class RequestStatus(VendorObject):
    type: str = "complete"


class Results(VendorObject):
    """One page of a list. ``is_cut``: Notion ended the list at its limit of 10,000 results.
    https://developers.notion.com/guides/data-apis/query-large-data-sources"""

    results: list[dict[str, Any]]
    has_more: bool = False
    next_cursor: str | None = None
    request_status: RequestStatus | None = None

    @property
    def is_cut(self) -> bool:
        return self.request_status is not None and self.request_status.type == "incomplete"


Parsed = TypeVar("Parsed", bound=VendorObject)


def parse(kind: type[Parsed], value: object) -> Parsed:
    """Raises Unprocessable, without what was sent."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"])
        raise Unprocessable(
            f"Notion sent a {kind.__name__} that is not as documented ({place})", fix="report it as a defect of Parley"
        ) from None
