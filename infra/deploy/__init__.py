"""Deployment files and launchers for local servers."""
