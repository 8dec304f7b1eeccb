"""The HTTP reference: every route, from the OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from docs.hooks.tables import describe_type, models, prose, table
from gateway.http.openapi import build_document
from schemas.access import PERMISSIONS_BY_ROLE, ROLES

INTRODUCTION = """# HTTP API

Every route, generated from the OpenAPI document that a running instance serves at `/v1/openapi.json`.

An error is `{"error": {"code": …, "message": …, "retryable": …}}`, with `retry_after_ms` where the same request may
succeed later. [Errors](../../schemas/errors.py) explains the codes. Besides the codes that are listed, any route can
answer 500 `internal`.
"""
METHODS = ("get", "put", "post", "delete", "patch")
AUTHENTICATION = {
    "visitor": "visitor token (`Authorization: Bearer …`)",
    "admin": "admin token (`Authorization: Bearer …`)",
    "console": "session cookie of the console",
    "signature": "the vendor's signature",
}


def build() -> str:
    """The whole page."""
    document = build_document()
    schemas = document["components"]["schemas"]
    parts = [INTRODUCTION]
    for tag in document["tags"]:
        parts.append(f"## {tag['name'].capitalize()}\n")
        parts += [_render(*each, schemas) for each in operations(document) if tag["name"] in each[2]["tags"]]
    parts.append("## Bodies\n")
    parts += models(set(re.findall(r"#/components/schemas/(\w+)", str(document["paths"]))), schemas)
    return "\n".join(parts)


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Method, path and description of every operation."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield method.upper(), path, operation


def _render(method: str, path: str, operation: Any, schemas: Mapping[str, Any]) -> str:
    needs = [_describe_need(*need) for each in operation["security"] for need in each.items()]
    parts = [f"### `{method} {path}`\n", prose(operation["summary"]) + "\n"]
    parts.append(f"Needs: {', '.join(needs) or 'nothing'}.\n")
    if rows := [_parameter(each, schemas) for each in operation["parameters"]]:
        parts.append(table(("parameter", "in", "type", "meaning"), rows))
    if body := operation.get("requestBody"):
        parts.append(f"Body: {_content(body['content'], schemas)}\n")
    rows_of_answers = [
        (status, prose(answer["description"]), _content(answer.get("content", {}), schemas))
        for status, answer in sorted(operation["responses"].items())
        if status != "500"
    ]
    parts.append(table(("status", "meaning", "body"), rows_of_answers))
    return "\n".join(parts)


def _describe_need(kind: str, permissions: Sequence[str]) -> str:
    scopes = " and ".join(f"`{each}`" for each in permissions if each != "owner")
    if kind == "admin" and scopes:
        return f"admin token, or a token of the tenant with the scope {scopes} (`Authorization: Bearer …`)"
    role = next((role for role in ROLES if PERMISSIONS_BY_ROLE[role] >= {*permissions}), "") if permissions else ""
    return (
        f"{AUTHENTICATION[kind]}, of an operator with the role {role} or above"
        if kind == "console" and role
        else (AUTHENTICATION[kind])
    )


def _parameter(parameter: Any, schemas: Mapping[str, Any]) -> tuple[str, str, str, str]:
    kind = describe_type(parameter["schema"], schemas)
    return f"`{parameter['name']}`", parameter["in"], kind, prose(parameter.get("description"))


def _content(content: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    return ", ".join(
        describe_type(about["schema"], schemas) if "$ref" in about["schema"] else f"`{media}`"
        for media, about in content.items()
    )
