"""One valid request for every operation of the OpenAPI document, so that no route is forgotten."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

BOUNDARY = "fuzzboundary"
FILE = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="note.txt"\r\n'
    f"Content-Type: text/plain\r\n\r\nhello\r\n--{BOUNDARY}--\r\n"
).encode()
WORDS = {"locale": "en", "language": "en", "url": "https://shop.example.com/a", "expires_at": "2030-01-01T00:00:00Z"}
# Long polls may wait 25 s, and rightly so: here they must answer at once.
QUERY = {"after": "0", "wait": "0", "limit": "50", "state": "agent", "channel": "web", "unassigned": "true", "exp": "1"}


@dataclass(frozen=True, slots=True)
class ValidRequest:
    """A valid request. ``document`` is its JSON body, ``raw`` one that is not JSON."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    token: str = ""
    document: Any = None
    raw: bytes = b""
    media: str = ""


@dataclass(frozen=True, slots=True)
class KnownIds:
    """What is there to be named: the running installation's tokens and ids."""

    visitor: str
    leaving: str
    """Of a visitor whom nobody misses: some requests sign them out."""
    admin: str
    conversation: str
    fills: dict[str, str] = field(default_factory=dict)

    def fill(self, template: str) -> str:
        known = {
            "tenant": "plantstore",
            "id": self.conversation,
            "document": "fuzzed",
            "channel": "web",
            "account": "main",
        }
        path = template
        for name, value in (known | self.fills).items():
            path = path.replace("{" + name + "}", value)
        return path


def seeds_of(openapi: dict[str, Any], world: KnownIds) -> list[ValidRequest]:
    found = []
    for template, operations in openapi["paths"].items():
        for method, about in operations.items():
            if method in ("get", "put", "post", "delete", "patch"):
                found.append(_seed(openapi, method.upper(), template, about, world))
    return found


def _seed(openapi: dict[str, Any], method: str, template: str, about: dict[str, Any], world: KnownIds) -> ValidRequest:
    names = [each["name"] for each in about.get("parameters", []) if each.get("in") == "query"]
    query = tuple((name, QUERY.get(name, "1")) for name in names)
    token = world.admin if "/admin/" in template else world.visitor if "/chat/" in template else ""
    if template.endswith("/sessions"):
        token = world.leaving
    path = world.fill(template)
    content = about.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        document = example(openapi, content["application/json"].get("schema", {}))
        return ValidRequest(method, path, query, token, document, media="application/json")
    if content:
        return ValidRequest(method, path, query, token, raw=FILE, media=f"multipart/form-data; boundary={BOUNDARY}")
    return ValidRequest(method, path, query, token)


def example(openapi: dict[str, Any], schema: dict[str, Any], name: str = "") -> Any:
    """Something that fits the schema, as far as it can be told."""
    while "$ref" in schema:
        schema = openapi["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return example(openapi, schema[several][0], name)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    return _by_type(openapi, schema, name)


def _by_type(openapi: dict[str, Any], schema: dict[str, Any], name: str) -> Any:
    kind = schema.get("type", "object")
    if kind == "object":
        return {key: example(openapi, each, key) for key, each in schema.get("properties", {}).items()}
    if kind == "array":
        return [] if name == "attachments" else [example(openapi, schema.get("items", {}))]
    simple: dict[str, Any] = {"string": WORDS.get(name, "hello"), "integer": 1, "number": 0.5, "boolean": True}
    return simple.get(kind)
