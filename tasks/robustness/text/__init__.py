"""Attacks on whoever reads texts: a goal, a transformation, constraints and a search make one."""
