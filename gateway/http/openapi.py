"""The OpenAPI 3.1 document at ``/v1/openapi.json``, made from the route table and the models."""

from __future__ import annotations

import functools
import re
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import orjson
from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from gateway.console.sessions import COOKIE
from gateway.http.route import ADMIN, CONSOLE, PUBLIC, SIGNATURE, VISITOR, Route
from gateway.http.routes import ROUTES, STATUS
from gateway.http.schemas import ErrorAnswer, StaleAnswer

_NO_NAME = re.compile(r"[^a-z0-9]+")
_BRACES = re.compile(r"[{}]")
_PARAMETER = re.compile(r"{(\w+)}")
JsonObject = dict[str, Any]

PATH = "/v1/openapi.json"
_SECURITY: dict[str, JsonObject] = {
    ADMIN: {"type": "http", "scheme": "bearer", "description": "The installation's admin token."},
    VISITOR: {"type": "http", "scheme": "bearer", "description": "The visitor token of a chat session."},
    CONSOLE: {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "The session of the console."},
    SIGNATURE: {
        "type": "apiKey",
        "in": "header",
        "name": "X-Hub-Signature-256",
        "description": "Each vendor signs in its own way: Meta as named here, Slack with X-Slack-Signature, "
        "Twilio with X-Twilio-Signature.",
    },
}
_DONE = {101: "Switching protocols.", 303: "`Location` names the page to see."}
_INTEGERS = ("after", "limit", "exp")


def add_routes(app: web.Application) -> None:
    app.router.add_get(PATH, _serve)


async def _serve(request: web.Request) -> web.Response:
    return web.Response(body=_encoded(), content_type="application/json", headers={"Cache-Control": "no-cache"})


@functools.cache
def _encoded() -> bytes:
    return orjson.dumps(document())


def document() -> JsonObject:
    """The whole document. Every route of the table, with who may call it and how it fails."""
    schemas = _schemas()
    paths: dict[str, JsonObject] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Parley",
            "version": _version(),
            "description": "Chat, webhooks and administration of an event-driven messaging gateway.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in dict.fromkeys(route.group for route in ROUTES)],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": _SECURITY},
    }


def _schemas() -> JsonObject:
    asked: list[tuple[type[BaseModel], JsonSchemaMode]] = [(ErrorAnswer, "validation"), (StaleAnswer, "validation")]
    for route in ROUTES:
        models = [route.body, *route.answers.values()]
        asked += [(model, "validation") for model in models if not isinstance(model, str)]
    unique = list(dict.fromkeys(asked))
    _, found = models_json_schema(unique, ref_template="#/components/schemas/{model}")
    definitions: JsonObject = found["$defs"]
    return definitions


def _operation(route: Route) -> JsonObject:
    out: JsonObject = {
        "operationId": _name(route),
        "summary": route.summary,
        "tags": [route.group],
        "parameters": _parameters(route),
        "responses": _responses(route),
        "security": [{route.auth: []}] if route.auth != PUBLIC else [],
    }
    if route.body:
        out["requestBody"] = {"required": True, "content": _content(route.body)}
    return out


def _name(route: Route) -> str:
    words = _BRACES.sub("", route.path.removeprefix("/v1")).strip("/").replace(".", "_") or "page"
    return f"{route.method.lower()}_{_NO_NAME.sub('_', words)}"


def _parameters(route: Route) -> list[JsonObject]:
    path: list[JsonObject] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(route.path)
    ]
    query: list[JsonObject] = [
        {"name": name, "in": "query", "required": False, "description": text, "schema": _query_schema(route, name)}
        for name, text in route.query.items()
    ]
    return path + query


def _query_schema(route: Route, name: str) -> JsonObject:
    if name == "wait":
        return {"type": "number", "minimum": 0, "maximum": 25}
    # `after` is a number in transcripts and a cursor in lists.
    counted = name in _INTEGERS and not (name == "after" and "limit" in route.query)
    return {"type": "integer", "minimum": 0} if counted else {"type": "string"}


def _responses(route: Route) -> JsonObject:
    out: JsonObject = {}
    for status, model in route.answers.items():
        answer: JsonObject = {"description": _DONE.get(status, "Done.")}
        if model:
            answer["content"] = _content(model)
        out[str(status)] = answer
    codes: dict[int, list[str]] = {}
    for code in route.errors:
        codes.setdefault(STATUS[code], []).append(code)
    for status, names in sorted(codes.items()):
        out[str(status)] = _failure(status, names)
    out["500"] = {"description": "`internal`", "content": _content(ErrorAnswer)}
    return out


def _failure(status: int, codes: list[str]) -> JsonObject:
    model = StaleAnswer if codes == ["stale_epoch"] else ErrorAnswer
    out: JsonObject = {
        "description": ", ".join(f"`{code}`" for code in dict.fromkeys(codes)),
        "content": _content(model),
    }
    if status in (429, 503):
        out["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}}
    return out


def _content(model: type[BaseModel] | str) -> JsonObject:
    if not isinstance(model, str):
        return {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}
    if model == "multipart/form-data":
        form = {"type": "object", "properties": {"file": {"type": "string", "contentMediaType": "*/*"}}}
        return {model: {"schema": form}}
    return {model: {"schema": {}}} if model == "application/json" else {model: {"schema": {"type": "string"}}}


def _version() -> str:
    try:
        return version("parley-gateway")
    except PackageNotFoundError:
        return "0"
