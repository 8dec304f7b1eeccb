"""What was said, for training models later: approved talks and rejected drafts, without anything personal."""
