"""Meta's Graph API on loopback: WhatsApp Cloud and Instagram messaging, with their webhooks."""

from tests.platforms.meta.graph import Graph
from tests.platforms.meta.instagram import Instagram
from tests.platforms.meta.whatsapp import WhatsApp

__all__ = ["Graph", "Instagram", "WhatsApp"]
