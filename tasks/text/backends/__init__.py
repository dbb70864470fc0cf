"""What computes the vectors: torch, OpenVINO where it is installed, or a table of token vectors."""
