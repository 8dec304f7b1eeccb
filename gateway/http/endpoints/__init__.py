"""Tables of the HTTP endpoints, for the OpenAPI document and the checks of access."""
