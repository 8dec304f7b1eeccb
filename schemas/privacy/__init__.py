"""What must not be written down: found in text, and replaced by what people may see."""
