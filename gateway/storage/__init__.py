"""Uploaded files, the quotas for what contacts and tenants store, and the permissions of the data folder."""
