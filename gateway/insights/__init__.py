"""Insights of a tenant: figures and failures of a period, read from the log, as an API, pages and reports."""
