"""Causal effects by moments."""
