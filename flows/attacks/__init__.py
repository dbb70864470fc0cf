"""Attacks asked for by name: on readers, recommenders and the conclusions drawn from them."""
