"""Live replies: a reply is shown while it is written, on vendors that can show that.

The worker announces on the outbound topic that a reply begins. The conversation's lane stays with that record until
another one arrives, and shows the text that the worker signals meanwhile. If the next record is the reply, it replaces
what was shown; anything else means that no reply will come, and what was shown is removed. After a crash the record is
still on the log, so the lane's next owner finishes what was begun, and nothing else is shown in between.
"""

from connectors.live_replies.reply import LiveReply, LiveReplyContext, build_live_reply
from connectors.live_replies.start import LiveReplyStart

__all__ = ["LiveReply", "LiveReplyContext", "LiveReplyStart", "build_live_reply"]
