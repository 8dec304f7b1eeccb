"""WhatsApp through Meta's Cloud API."""

from connectors.whatsapp.meta.provider import MetaProvider

__all__ = ["MetaProvider"]
