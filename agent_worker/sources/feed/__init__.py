"""The source for ``feed+https://…``: the entries of an RSS or Atom feed."""
