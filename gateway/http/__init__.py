"""The HTTP server: routes, limits, webhooks, and the OpenAPI document."""
