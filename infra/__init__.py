"""Adapters to servers and disks."""
