"""The robustness room: attacks, what they change, and what would have stopped them."""
