"""The source for ``zendesk://…``: articles of a help centre at Zendesk."""
