"""Deployment material and launchers for local servers."""
