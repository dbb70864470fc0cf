"""Causal graphs: discovery by PC, FCI and GES, what they identify, drawings."""
