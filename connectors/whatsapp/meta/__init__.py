"""WhatsApp by Meta's Cloud API."""

from connectors.whatsapp.meta.provider import Meta

__all__ = ["Meta"]
