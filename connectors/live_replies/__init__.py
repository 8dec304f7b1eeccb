"""A reply that is shown while it is written (design §7), where the vendor can show that.

The worker announces on the outbound topic that a reply begins. The conversation's lane stays with that record until
something else arrives: it reads the signals of the worker, and shows what they say. What arrives then decides. The
reply takes the place of what was shown; anything else means that no reply comes of it, and it is taken away. So a
crash leaves the record on the log, and the next owner of the lane ends what was begun; and nothing else is shown
meanwhile.
"""

from connectors.live_replies.opening import Opener
from connectors.live_replies.reply import LiveReply, Means, live_reply

__all__ = ["LiveReply", "Means", "Opener", "live_reply"]
