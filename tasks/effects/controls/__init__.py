"""Controls of a table made ready, and what they leave in an estimate."""
