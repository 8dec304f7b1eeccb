"""A desk behind one address: it is told as JSON what to show, and tells as JSON what people do."""
