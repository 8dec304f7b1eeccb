"""Meta's Graph API on loopback: WhatsApp Cloud and Instagram messaging, with their webhooks."""

from tests.simulators.meta.graph import Graph
from tests.simulators.meta.instagram import Instagram
from tests.simulators.meta.whatsapp import WhatsApp

__all__ = ["Graph", "Instagram", "WhatsApp"]
