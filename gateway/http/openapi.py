"""The OpenAPI 3.1 document at ``/v1/openapi.json``, built from the endpoint table and the models."""

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
from gateway.http.endpoints.api_endpoint import ADMIN, CONSOLE, PUBLIC, SIGNATURE, STATUS_BY_CODE, VISITOR, ApiEndpoint
from gateway.http.endpoints.table import ENDPOINTS
from gateway.http.response_models import ErrorResponse, StaleEpochResponse

_NON_WORD = re.compile(r"[^a-z0-9]+")
_BRACES = re.compile(r"[{}]")
_PARAMETER = re.compile(r"{(\w+)}")
JsonObject = dict[str, Any]

PATH = "/v1/openapi.json"
_SECURITY: dict[str, JsonObject] = {
    ADMIN: {
        "type": "http",
        "scheme": "bearer",
        "description": "The admin token of the installation, or a token of the tenant. Each operation names the scope "
        "that a tenant's token needs (`admin` includes the others); `owner` means the admin token only.",
    },
    VISITOR: {"type": "http", "scheme": "bearer", "description": "The visitor token of a chat session."},
    CONSOLE: {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "The session cookie of the console. "
        "Each operation names the permission that the operator's role must include.",
    },
    SIGNATURE: {
        "type": "apiKey",
        "in": "header",
        "name": "X-Hub-Signature-256",
        "description": "Each vendor has its own signature: Meta uses this header, Slack X-Slack-Signature, "
        "Twilio X-Twilio-Signature.",
    },
}
_SUCCESS_DESCRIPTIONS = {101: "Switching protocols.", 303: "Continue at the page that `Location` names."}
_INTEGER_PARAMETERS = ("after", "limit", "exp")


def add_routes(app: web.Application) -> None:
    app.router.add_get(PATH, _serve)


async def _serve(request: web.Request) -> web.Response:
    return web.Response(body=_encode_document(), content_type="application/json", headers={"Cache-Control": "no-cache"})


@functools.cache
def _encode_document() -> bytes:
    return orjson.dumps(build_document())


def build_document() -> JsonObject:
    """Build the document: every endpoint of the table with its authentication and its errors."""
    schemas = _build_schemas()
    paths: dict[str, JsonObject] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _describe_operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Parley",
            "version": _find_version(),
            "description": "Chat, webhooks and administration of an event-driven messaging gateway.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in dict.fromkeys(endpoint.group for endpoint in ENDPOINTS)],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": _SECURITY},
    }


def _build_schemas() -> JsonObject:
    used: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        (ErrorResponse, "validation"),
        (StaleEpochResponse, "validation"),
    ]
    for endpoint in ENDPOINTS:
        models = [endpoint.body, *endpoint.responses.values()]
        used += [(model, "validation") for model in models if not isinstance(model, str)]
    unique = list(dict.fromkeys(used))
    _, schemas = models_json_schema(unique, ref_template="#/components/schemas/{model}")
    definitions: JsonObject = schemas["$defs"]
    return definitions


def _describe_operation(endpoint: ApiEndpoint) -> JsonObject:
    out: JsonObject = {
        "operationId": _build_operation_id(endpoint),
        "summary": endpoint.summary,
        "tags": [endpoint.group],
        "parameters": _describe_parameters(endpoint),
        "responses": _describe_responses(endpoint),
        "security": _describe_security(endpoint),
    }
    if endpoint.body:
        out["requestBody"] = {"required": True, "content": _describe_content(endpoint.body)}
    return out


def _describe_security(endpoint: ApiEndpoint) -> list[JsonObject]:
    if endpoint.auth == PUBLIC:
        return []
    return [{endpoint.auth: [endpoint.permission] if endpoint.permission else []}]


def _build_operation_id(endpoint: ApiEndpoint) -> str:
    path = endpoint.path.removeprefix("/v1")
    if path.strip("/") and path.endswith("/"):
        path += "redirect"  # the same address without the slash has an id too
    words = _BRACES.sub("", path).strip("/").replace(".", "_") or "page"
    return f"{endpoint.method.lower()}_{_NON_WORD.sub('_', words)}"


def _describe_parameters(endpoint: ApiEndpoint) -> list[JsonObject]:
    path: list[JsonObject] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(endpoint.path)
    ]
    query: list[JsonObject] = [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": text,
            "schema": _build_query_schema(endpoint, name),
        }
        for name, text in endpoint.query.items()
    ]
    return path + query


def _build_query_schema(endpoint: ApiEndpoint, name: str) -> JsonObject:
    if name == "wait":
        return {"type": "number", "minimum": 0, "maximum": 25}
    # `after` is a number in transcripts and a cursor in lists.
    is_integer = name in _INTEGER_PARAMETERS and not (name == "after" and "limit" in endpoint.query)
    return {"type": "integer", "minimum": 0} if is_integer else {"type": "string"}


def _describe_responses(endpoint: ApiEndpoint) -> JsonObject:
    out: JsonObject = {}
    for status, model in endpoint.responses.items():
        response: JsonObject = {"description": _SUCCESS_DESCRIPTIONS.get(status, "Success.")}
        if model:
            response["content"] = _describe_content(model)
        out[str(status)] = response
    codes: dict[int, list[str]] = {}
    for code in endpoint.errors:
        codes.setdefault(STATUS_BY_CODE[code], []).append(code)
    for status, names in sorted(codes.items()):
        out[str(status)] = _describe_errors(status, names)
    out["500"] = {"description": "`internal`", "content": _describe_content(ErrorResponse)}
    return out


def _describe_errors(status: int, codes: list[str]) -> JsonObject:
    model = StaleEpochResponse if codes == ["stale_epoch"] else ErrorResponse
    out: JsonObject = {
        "description": ", ".join(f"`{code}`" for code in dict.fromkeys(codes)),
        "content": _describe_content(model),
    }
    if status in (429, 503):
        out["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}}
    return out


def _describe_content(model: type[BaseModel] | str) -> JsonObject:
    if not isinstance(model, str):
        return {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}
    if model == "multipart/form-data":
        form = {"type": "object", "properties": {"file": {"type": "string", "contentMediaType": "*/*"}}}
        return {model: {"schema": form}}
    return {model: {"schema": {}}} if model == "application/json" else {model: {"schema": {"type": "string"}}}


def _find_version() -> str:
    try:
        return version("parley-gateway")
    except PackageNotFoundError:
        return "0"
