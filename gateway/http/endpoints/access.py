"""The table of the endpoints for contacts, API tokens and the audit trail."""

from __future__ import annotations

from gateway.admin.tokens import TokenRequest
from gateway.http import response_models as models
from gateway.http.endpoints.api_endpoint import (
    ADMIN_ERRORS,
    BODY_ERRORS,
    PAGE_ERRORS,
    PAGE_QUERY,
    ApiEndpoint,
    describe_admin_endpoint,
)

ACCESS_ENDPOINTS: tuple[ApiEndpoint, ...] = (
    describe_admin_endpoint(
        "GET",
        "/contacts",
        "Find contacts by name, address or id; without `q`, list all by name.",
        {200: models.ContactListResponse},
        query={
            "q": "Words that the name, an address or the id begins with.",
            "channel": "Only contacts with an address on this channel.",
        }
        | PAGE_QUERY,
        errors=PAGE_ERRORS,
    ),
    describe_admin_endpoint(
        "GET",
        "/contacts/{id}",
        "Read a contact with its addresses and its newest 200 conversations.",
        {200: models.ContactResponse},
    ),
    describe_admin_endpoint(
        "GET",
        "/contacts/{id}/export",
        "Export everything that is held about a contact, as JSON lines.",
        {200: "application/x-ndjson"},
    ),
    describe_admin_endpoint(
        "DELETE",
        "/contacts/{id}",
        "Erase a contact and everything that is held about them. A repeat returns the erasure that is under way.",
        {202: models.ErasureRequestResponse},
        errors=("conflict", *ADMIN_ERRORS),
    ),
    describe_admin_endpoint(
        "GET",
        "/erasures/{id}",
        "Read how far an erasure is, what was deleted, and its signed proof.",
        {200: models.ErasureResponse},
    ),
    describe_admin_endpoint(
        "GET",
        "/tokens",
        "List the API tokens of the tenant, the newest first, without their secrets.",
        {200: models.TokenListResponse},
        query=PAGE_QUERY,
        errors=PAGE_ERRORS,
    ),
    describe_admin_endpoint(
        "POST",
        "/tokens",
        "Create an API token. The response shows it once.",
        {201: models.TokenCreationResponse},
        body=TokenRequest,
        errors=(*BODY_ERRORS, "conflict", *ADMIN_ERRORS),
    ),
    describe_admin_endpoint(
        "DELETE", "/tokens/{id}", "Revoke an API token for good. A repeat changes nothing.", {204: ""}
    ),
    describe_admin_endpoint(
        "GET",
        "/audit",
        "List the audit trail, the newest record first.",
        {200: models.AuditListResponse},
        query={"actor": "Only what this actor did.", "action": "Only this action, such as token.create, or token."}
        | PAGE_QUERY,
        errors=PAGE_ERRORS,
    ),
    describe_admin_endpoint(
        "GET",
        "/audit/export",
        "Export the whole audit trail with its hashes, as JSON lines.",
        {200: "application/x-ndjson"},
    ),
    describe_admin_endpoint(
        "GET",
        "/audit/verification",
        "Verify that no record of the audit trail was changed or removed.",
        {200: models.AuditVerificationResponse},
    ),
    describe_admin_endpoint(
        "POST", "/backups", "Record in the audit trail that a backup is about to be made.", {204: ""}
    ),
)
