"""Logs of what was shown: off-policy value, and what a position does to a click."""
