"""What runs, in order; no data is touched here."""
