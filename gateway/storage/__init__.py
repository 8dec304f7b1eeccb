"""Uploaded files and the quotas for what contacts and tenants store."""
