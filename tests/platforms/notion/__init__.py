"""A simulated Notion: a workspace, and the part of the API that reads it."""
