"""Statements, one a file, by layer."""
