"""The part of a desk that does not depend on the vendor: commands from people, their execution, and the posts that show
the conversation."""
