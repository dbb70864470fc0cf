"""Word lists of the text attacks."""
