"""Vectors of texts, and what reviews say of attributes."""
