"""One room per stage of the night."""
