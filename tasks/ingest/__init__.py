"""Files in, canonical rows out."""
