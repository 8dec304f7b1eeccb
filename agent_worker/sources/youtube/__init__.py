"""The YouTube source: the captions of a channel's, a playlist's or single videos."""
