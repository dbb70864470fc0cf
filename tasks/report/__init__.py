"""The morning report: one self-contained page a night, and the same content as JSON."""
